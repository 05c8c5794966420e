"""Positions of digits within their number."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions.checks import check_count


def abacus(
    digits: Tensor, *, max_shift: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    r"""Number the digits of each number 1, 2, 3, ..., and everything else 0 (Abacus).

    Neighbouring digits are one number. They stand least significant digit first, or else the same
    number is not that of the same power of ten. In training all digits are moved by one random
    number of places, $k \sim \mathcal U\{0, \ldots, K\}$, so that places beyond those of the
    numbers in training are learned too.

    The table that goes with these is `phasor.Learned(longest + K + 1, dim)`, for numbers of up to
    `longest` digits: row 0 is that of everything else. The order of the numbers does not show in
    them, so a model has another encoding beside.

    Args:
        digits: `[seq]` or `[batch, seq]`, boolean, true at digits:
            `torch.isin(tokens, digit_tokens)`.
        max_shift: $K$, in training; the authors' is 99. Nothing is moved without it.
        generator: Source of chance, for `max_shift`.

    Returns:
        Positions of the same shape, int64, on the device of `digits`.

    Raises:
        ArgumentError: Other shapes, `max_shift` negative, or one of it and `generator` alone.
        ArgumentTypeError: `digits` is not boolean, or `max_shift` no integer.

    Source:
        McLeish et al. 2024, arXiv:2405.17399, section 3.1, and the authors' code, which like this
        moves a whole batch alike.

    Examples:
        >>> digits = torch.tensor([character.isdigit() for character in "21+543=6"])
        >>> phasor.positions.abacus(digits).tolist()
        [1, 2, 0, 1, 2, 3, 0, 1]
    """
    if not isinstance(digits, Tensor) or digits.dtype != torch.bool:
        what = digits.dtype if isinstance(digits, Tensor) else type(digits).__name__
        raise ArgumentTypeError(
            f"digits must be a boolean tensor, true at digits, got {what}; "
            "pass torch.isin(tokens, digit_tokens)"
        )
    if digits.ndim not in (1, 2):
        raise ArgumentError(
            f"digits must be [seq] or [batch, seq], got shape {list(digits.shape)}; "
            "pass one flag for each token"
        )
    if (max_shift is None) != (generator is None):
        raise ArgumentError(
            f"max_shift and generator go together, got max_shift={max_shift} and "
            f"generator={generator}; pass both in training, and neither in evaluation"
        )
    index = torch.arange(digits.shape[-1], device=digits.device)
    last_other = torch.where(digits, -1, index).cummax(-1).values
    place = index - last_other
    if max_shift is None or generator is None:
        return place
    check_count("max_shift", max_shift, at_least=0, advice="pass the most places to move by")
    shift = torch.randint(max_shift + 1, (), generator=generator, device=generator.device)
    return torch.where(digits, place + shift.to(digits.device), 0)
