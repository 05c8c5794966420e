"""What docstrings say of a class: their first sentence, and the source."""

import inspect
import re

_FORMULA = re.compile(r"[,:]? ?\$[^$]*\$")
_SECTION = re.compile(r"^Source:\n((?:(?: .*)?\n)*)", re.MULTILINE)
_SENTENCE = re.compile(r"(?<! al)\.(?=\s|$)|;\s")


def summary(described: type) -> str:
    """The first sentence without its formula, which is shown apart."""
    first, _, _ = inspect.cleandoc(described.__doc__ or "").partition("\n\n")
    return _FORMULA.sub("", " ".join(first.split())).replace("`", "")


def source(described: type) -> str:
    """Where it was published: the first sentence of the section `Source`; empty without one."""
    found = _SECTION.search(inspect.cleandoc(described.__doc__ or "") + "\n")
    if found is None:
        return ""
    words = " ".join(found[1].split()).replace("`", "")
    return _SENTENCE.split(words, maxsplit=1)[0]
