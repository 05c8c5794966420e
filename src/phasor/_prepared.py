"""What an encoding prepared: for its own hooks alone, by calls that hooks of modules see."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from phasor.errors import ArgumentError

OF_PREPARED = {
    "look": 0, "embed": 1, "rotate": 2, "score_mod": 0, "turn_values": 1, "turn_back": 1,
}  # fmt: skip
"""The methods that take what was prepared, and the place of that among their arguments."""


class Prepared(NamedTuple):
    """What `encoding(positions)` returns, for the hooks of that encoding.

    A pytree, whose tensors are parameters of nothing: it outlives a parameter that is sharded or
    offloaded after the call.

    Args:
        owner: The encoding whose hooks take it, in words.
        content: What its `prepare` returned.
    """

    owner: str
    content: Any


class Asked(NamedTuple):
    """`observe` or `look`, called as a module is: with all hooks that hang on `forward`."""

    method: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]


def check_part(start: int, stop: int, num_heads: int, *, owner: str) -> None:
    """Raise `ArgumentError` unless there are heads from `start` and before `stop`."""
    if not 0 <= start < stop <= num_heads:
        raise ArgumentError(
            f"{owner} has heads 0 to {num_heads - 1}, got heads({start}, {stop}); pass the first "
            "one and the one after the last"
        )


def takes_its_own(method: Callable[..., Any], place: int) -> Callable[..., Any]:
    """`method`, which gets the content of what was prepared, if its own encoding did that."""

    @wraps(method)
    def taking(self: Any, *arguments: Any, **named: Any) -> Any:
        def content(given: Any) -> Any:
            if not isinstance(given, Prepared):
                return given
            if given.owner != self.in_words:
                raise ArgumentError(
                    f"{method.__name__}() of {self.in_words} was given what {given.owner} "
                    f"prepared; pass what {self.in_words} itself returned for these positions"
                )
            return given.content

        if "prepared" in named:
            named["prepared"] = content(named["prepared"])
        before, own, after = arguments[:place], arguments[place : place + 1], arguments[place + 1 :]
        return method(self, *before, *map(content, own), *after, **named)

    return taking


def called_as_module(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method`, in a call of the module; what `look` returns is for the hooks again."""

    @wraps(method)
    def calling(self: Any, *arguments: Any, **named: Any) -> Any:
        found = self(Asked(method, arguments, named))
        return Prepared(self.in_words, found) if method.__name__ == "look" else found

    return calling
