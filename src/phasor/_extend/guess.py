"""Whether the model can read the text at all: a look before anything is measured."""

import math

from phasor._extend.documents import Documents
from phasor._extend.subject import Candidate, Subject
from phasor.errors import ArgumentError
from phasor.measure import token_losses

_DOCUMENTS, _TOKENS = 4, 512


def check_better_than_a_guess(subject: Subject, as_it_is: Candidate, texts: Documents) -> None:
    """Raise where the model as it is loses more than a guess that takes all tokens for alike.

    It reads the start of a few documents, within the length that it was trained for.

    Args:
        subject: The model, with a language-model head.
        as_it_is: The candidate `"none"`.
        texts: The documents.

    Raises:
        ArgumentError: Its loss is more than the logarithm of the number of tokens.
    """
    length = min(_TOKENS, subject.trained_length)
    means = []
    with subject.running(as_it_is, length) as model:
        for document in texts.measured[:_DOCUMENTS]:
            losses = token_losses(model, document[: length + 1].to(model.device))
            means.append(losses.mean().item())
    vocabulary = subject.model.config.get_text_config().vocab_size
    mean, guess = sum(means) / len(means), math.log(vocabulary)
    if mean > guess:
        raise ArgumentError(
            f"{subject.path} loses {mean:.2f} nats per token on {texts.source} within its trained "
            f"length, more than a guess among its {vocabulary:,} tokens would ({guess:.2f}): pass "
            "text that it can read with text=, or a model that is trained, with its own tokenizer"
        )
