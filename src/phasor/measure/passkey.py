"""A number hidden in filler: whether a model still finds it, by one forward pass."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.measure.by_position import CHUNK, Progress

_TASK = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
    "I will quiz you about the important information there."
)
_FILLER = (
    " The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
)
_QUESTION = " What is the pass key? The pass key is"
_LARGEST_KEY = 50_000


class Tokenizer(Protocol):
    """What is asked of a tokenizer; those of transformers have it."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


@dataclass(frozen=True)
class Passkey:
    """A prompt and its answer.

    Args:
        tokens: `[seq]`, the prompt with its answer.
        answer: Tokens of the answer, at the end.
        length: Tokens of the prompt.
        depth: Where the number stands, from 0 (start) to 1 (end).
    """

    tokens: Tensor
    answer: int
    length: int
    depth: float


def passkey_prompt(
    tokenizer: Tokenizer, length: int, depth: float, generator: torch.Generator
) -> Passkey:
    """A prompt of at most `length` tokens, answer included, with a number at `depth`.

    Args:
        tokenizer: Of the model.
        length: Tokens; filled with whole repetitions of the filler.
        depth: Share of the filler that stands before the number, 0 to 1.
        generator: Draws the number.

    Raises:
        ArgumentError: A `depth` outside 0 to 1, or a `length` too short for the question alone.

    Source:
        Mohtashami and Jaggi 2023, arXiv:2305.16300, section 4.2, in the wording that the code of
        YaRN uses (Peng et al. 2023, arXiv:2309.00071).
    """
    if not 0 <= depth <= 1:
        raise ArgumentError(f"depth must lie between 0 and 1, got {depth}")
    key = int(torch.randint(1, _LARGEST_KEY + 1, (), generator=generator))
    task, needle, question, answer = _parts(tokenizer, key)
    filler = tokenizer.encode(_FILLER, add_special_tokens=False)
    room = length - sum(map(len, (task, needle, question, answer)))
    if room < 0:
        raise ArgumentError(
            f"a passkey prompt takes at least {length - room} tokens of this tokenizer, got "
            f"length {length}"
        )
    repetitions = room // len(filler)
    before = round(depth * repetitions)
    tokens = [
        *task, *filler * before, *needle, *filler * (repetitions - before), *question, *answer
    ]  # fmt: skip
    return Passkey(torch.tensor(tokens), len(answer), len(tokens) - len(answer), depth)


def passkey_room(tokenizer: Tokenizer) -> int:
    """Tokens that a prompt takes at least, with the largest number and no filler."""
    return sum(map(len, _parts(tokenizer, _LARGEST_KEY)))


def _parts(tokenizer: Tokenizer, key: int) -> list[list[int]]:
    """Task, sentence with the number, question and answer, as tokens."""
    texts = (
        _TASK,
        f" The pass key is {key}. Remember it. {key} is the pass key.",
        _QUESTION,
        f" {key}",
    )
    return [tokenizer.encode(text, add_special_tokens=False) for text in texts]


@torch.no_grad()
def passkey_found(
    model: Any, passkey: Passkey, *, chunk: int = CHUNK, progress: Progress | None = None
) -> bool:
    """Whether greedy decoding would give the whole answer.

    It would exactly if the arg max before each token of the answer is that token, so one pass over
    prompt and answer tells. The prompt is read in chunks, without its logits.

    Args:
        model: As in `token_losses`.
        passkey: From `passkey_prompt`.
        chunk: Tokens to read at a time.
        progress: Told how many tokens were read, after each chunk.
    """
    from transformers import DynamicCache

    tokens = passkey.tokens.to(next(model.parameters()).device)
    cache = DynamicCache(config=model.config)
    asked = len(tokens) - passkey.answer - 1
    for start in range(0, asked, chunk):
        end = min(start + chunk, asked)
        # The prompt alone fills the cache: of its logits, the last row is the fewest to ask for.
        model(
            input_ids=tokens[None, start:end],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        if progress is not None:
            progress(end - start)
    logits = model(input_ids=tokens[None, asked:-1], past_key_values=cache, use_cache=True).logits[
        0
    ]
    return bool((logits.argmax(-1) == tokens[asked + 1 :]).all())
