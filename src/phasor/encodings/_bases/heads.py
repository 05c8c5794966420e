"""What encodings with numbers of each head say to queries and keys of other heads."""

from phasor.errors import ArgumentError


def check_heads(given: int, num_heads: int, *, owner: str, what: str = "query") -> None:
    """Raise unless a query or key with `given` heads has the `num_heads` of `owner`."""
    if given != num_heads:
        raise ArgumentError(
            f"{owner} was built for {num_heads} heads but the {what} has {given}; "
            + for_all_heads(f"num_heads={given}")
        )


def for_all_heads(argument: str) -> str:
    """The advice to build another one, which is none where heads are a part of the model's."""
    return (
        f"build it with {argument} if those are all heads of the model: a part of them, as under "
        "tensor parallelism, would get other numbers (slopes, gains, tables) than it has here, so "
        "for that part take encoding.heads(start, stop)"
    )
