"""Being told what happens: work emits events, and whoever watches is a function of an event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

What = TypeVar("What")


@dataclass(frozen=True)
class Begun(Generic[What]):
    """`what` is next.

    Args:
        what: What is done now.
        total: How much of it there is, in units of the verb.
        left: Seconds that all to come will take, this included; 0 where nobody knows.
    """

    what: What
    total: int
    left: float = 0.0


@dataclass(frozen=True)
class Advanced(Generic[What]):
    """Of `total` of `what`, `done` are done."""

    what: What
    done: int
    total: int


def begin(
    watch: Callable[[Begun[What] | Advanced[What]], None],
    what: What,
    total: int,
    *,
    left: float = 0.0,
) -> Callable[[int], None]:
    """Tell that `what` begins; what is returned tells that so many more of it are done."""
    watch(Begun(what, total, left))
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        watch(Advanced(what, done, total))

    return advance


def telling(progress: Callable[[Any], None], *kinds: type) -> Callable[[object], None]:
    """A watcher that tells `progress` of what is of `kinds`: an event, or what has begun."""

    def watch(event: object) -> None:
        said = event.what if isinstance(event, Begun) else event
        if isinstance(said, kinds):
            progress(said)

    return watch
