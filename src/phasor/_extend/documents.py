"""The documents on which every candidate is measured: always the same."""

import hashlib
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasor._kit.text import load_text
from phasor.errors import ArgumentError

SEARCHED = 8
"""Documents to search on at most: a search and a training do not change with more to measure on."""


@dataclass(frozen=True)
class Documents:
    """Whole documents as tokens, and where they came from.

    Args:
        source: In words.
        sha256: Of the text.
        measured: Documents to measure on, `[target_length + 1]` each.
        search: Others, for what is tuned or trained: no part of `measured` is among them.
        left_out: What of the text was not read, in a sentence; empty if nothing.
    """

    source: str
    sha256: str
    measured: tuple[Tensor, ...]
    search: tuple[Tensor, ...]
    left_out: str = ""

    @property
    def first_sha256(self) -> str:
        """A hash of the tokens of the first one: another tokenizer or choice gives another."""
        return hashlib.sha256(repr(self.measured[0].tolist()).encode()).hexdigest()


def read_documents(
    tokenizer: Any, path: Path | None, target_length: int, *, count: int
) -> Documents:
    """Cut `count` documents of `target_length` tokens and one more from the text at `path`.

    Files are gone through from the longest on, each for its first document; where there are not
    enough of them, for their second, and so on, since documents of one file are alike. By turns
    they are to measure on and, at most eight of them, to search on: with a greater `count` the same
    come first.

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
    files: list[tuple[Tensor, ...]] = []
    longest = 0
    for document in whole:
        # A token is a byte at least; what is too short even so need not be tokenised.
        if len(document) <= target_length or len(files) >= 2 * count:
            break
        tokens = torch.tensor(
            tokenizer.encode(
                document.decode(errors="replace"), add_special_tokens=False, verbose=False
            )
        )
        longest = max(longest, len(tokens))
        size = target_length + 1
        whole_documents = len(tokens) // size
        if whole_documents:
            files.append(tokens[: whole_documents * size].view(whole_documents, size).unbind())
    found = [one for one in chain(*zip_longest(*files)) if one is not None]
    if not found:
        raise ArgumentError(
            f"the text of {text.source} is too short for to={target_length}: its longest "
            f"document has {longest or 'fewer'} tokens; pass a longer one with text="
        )
    measured, search = found[::2][:count], found[1::2][: min(count, SEARCHED)]
    return Documents(text.source, text.sha256, tuple(measured), tuple(search), text.left_out)
