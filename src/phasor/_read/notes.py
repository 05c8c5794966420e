"""What a reader has to say besides the spec, and what it refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from phasor.errors import ArgumentError, PhasorError


class Notes:
    """Collects what was ignored, assumed or not understood while one source is read.

    Args:
        where: The source, as messages name it.
        strict: Whether what is not understood is an error or a note.
    """

    def __init__(self, where: str, *, strict: bool = True) -> None:
        self.where = where
        self.strict = strict
        self.said: list[str] = []

    def note(self, sentence: str) -> None:
        """What holds either way: a setting without effect, a default that was filled in."""
        if sentence not in self.said:
            self.said.append(sentence)

    def doubt(self, sentence: str) -> None:
        """What a strict reader refuses, and another one notes.

        Raises:
            ArgumentError: If strict.
        """
        if self.strict:
            raise ArgumentError(f"{self.where}: {sentence}; strict=False reads on and warns")
        self.note(sentence)

    def wrong(self, sentence: str) -> ArgumentError:
        """The error for what nobody can read."""
        return ArgumentError(f"{self.where}: {sentence}")

    @contextmanager
    def naming_the_source(self) -> Iterator[None]:
        """Errors from within name the source: constructors do not know whose numbers they get."""
        try:
            yield
        except PhasorError as error:
            if str(error).startswith(self.where):
                raise
            raise self.wrong(str(error)) from None


def is_neutral(name: str, value: Any) -> bool:
    """Whether a setting that nothing reads would change nothing if it were read.

    `False` is not where the name asks whether positions are used.
    """
    if value is False:
        return not name.startswith("use_ro")
    return value in (None, "default", "absolute", [], {}) or (value is not True and value == 1)
