"""Something to know about a model before it is run, with where that is known from."""

import re
from dataclasses import dataclass
from typing import Literal

_ISSUE = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")
_PAPER = re.compile(r"arXiv:(\d+\.\d+)")


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Args:
        level: `"warning"` if it is wrong or goes wrong in software that people use, `"note"` if it
            holds for many models or is as it should be.
        code: A short name that programs can look for.
        text: One or two sentences.
        references: Issues as `owner/name#number`, papers as `arXiv:number`, else a place in words.
    """

    level: Literal["warning", "note"]
    code: str
    text: str
    references: tuple[str, ...]


def link(reference: str) -> str | None:
    """The address of an issue or a paper; `None` for other references."""
    if issue := _ISSUE.fullmatch(reference):
        return f"https://github.com/{issue[1]}/issues/{issue[2]}"
    if paper := _PAPER.fullmatch(reference):
        return f"https://arxiv.org/abs/{paper[1]}"
    return None
