"""The documents on which every candidate is measured: always the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.lab.text import load_text


@dataclass(frozen=True)
class Documents:
    """Whole documents as tokens, and where they came from.

    Args:
        source: In words.
        sha256: Of the text.
        measured: Documents to measure on, `[target_length + 1]` each.
        search: Others, for what is tuned or trained: no part of `measured` is among them.
    """

    source: str
    sha256: str
    measured: tuple[Tensor, ...]
    search: tuple[Tensor, ...]


def read_documents(
    tokenizer: Any, path: Path | None, target_length: int, *, count: int
) -> Documents:
    """Cut `count` documents of `target_length` tokens and one more from the text at `path`.

    Long documents give several: only whole ones, one after the other. The first half of what is
    left over, at most `count` documents, is for searching.

    Args:
        tokenizer: Of the model.
        path: A file or folder; the source of the Python standard library if `None`.
        target_length: Tokens.
        count: Documents to measure on, at most.

    Raises:
        ArgumentError: No document is that long.
    """
    text = load_text(path)
    whole = sorted((*text.held_out, *text.train), key=len, reverse=True)
    found: list[Tensor] = []
    longest = 0
    for document in whole:
        # A token is a byte at least; what is too short even so need not be tokenised.
        if len(document) <= target_length or len(found) >= 2 * count:
            break
        tokens = torch.tensor(
            tokenizer.encode(
                document.decode(errors="replace"), add_special_tokens=False, verbose=False
            )
        )
        longest = max(longest, len(tokens))
        size = target_length + 1
        whole_documents = len(tokens) // size
        found += tokens[: whole_documents * size].view(whole_documents, size).unbind()
    if not found:
        raise ArgumentError(
            f"the text of {text.source} is too short for --to {target_length}: its longest "
            f"document has {longest or 'fewer'} tokens; pass a longer one with --text"
        )
    measured = found[:count] if len(found) < 2 else found[: min(count, (len(found) + 1) // 2)]
    rest = found[len(measured) : 2 * count]
    return Documents(text.source, text.sha256, tuple(measured), tuple(rest))
