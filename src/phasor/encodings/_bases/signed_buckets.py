"""The buckets of DeBERTa: signed, some of one distance, the others on a logarithmic scale."""

from phasor.errors import ArgumentError


def signed_buckets(num_buckets: int, max_distance: int) -> list[int]:
    r"""The bucket of each distance from 0 to `max_distance - 1`; farther ones share the last.

    With $E = B / 2$, distances up to $E$ have a bucket each, and $n > E$ goes to
    $E + \lceil (E - 1) \ln(n/E) / \ln((D - 1)/E) \rceil$. Found in whole numbers, so that no
    rounding of a logarithm moves a boundary.

    Args:
        num_buckets: $B$, of each direction, even and at least 4.
        max_distance: $D$, at least $E + 2$.

    Raises:
        ArgumentError: An odd number of buckets or too few, or a `max_distance` that needs none.

    Source:
        He et al. 2021, arXiv:2111.09543, the authors' code (`make_log_bucket_position`), which
        clips distances to `max_distance - 1` first; `DeBERTa` says what that changes.

    Examples:
        >>> from phasor.encodings._bases.signed_buckets import signed_buckets
        >>> signed_buckets(8, 16)
        [0, 1, 2, 3, 4, 5, 5, 6, 6, 6, 7, 7, 7, 7, 7, 7]
    """
    check_signed_buckets(num_buckets, max_distance)
    exact = num_buckets // 2
    bucket_of, step, last = list(range(exact + 1)), 0, max_distance - 1
    for distance in range(exact + 1, max_distance):
        # (n/E)^(E-1) > ((D-1)/E)^j says that n is past bucket E + j.
        while distance ** (exact - 1) * exact**step > last**step * exact ** (exact - 1):
            step += 1
        bucket_of.append(exact + step)
    return bucket_of


def check_signed_buckets(num_buckets: int, max_distance: int) -> None:
    """Raise unless that many buckets of each direction fit the distances."""
    exact = num_buckets // 2
    if num_buckets < 4 or num_buckets % 2:
        raise ArgumentError(
            f"num_buckets must be even and at least 4, for each direction, got {num_buckets}"
        )
    if max_distance < exact + 2:
        raise ArgumentError(
            f"max_distance must be at least num_buckets / 2 + 2 = {exact + 2}, got {max_distance}; "
            "with fewer distances they need no buckets: num_buckets=None"
        )
