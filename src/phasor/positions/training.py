"""Positions that train a model for longer sequences than it sees."""

import math

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.positions.checks import check_count

_TOKENS = "pass the number of tokens of the sequence"


def randomised(seq: int, max_position: int, generator: torch.Generator) -> Tensor:
    r"""A random choice of positions, in order, each as likely as any other (randomised encodings).

    Draw anew for each step of training, and for evaluation too: the model has learned the order of
    the positions, not their distances.

    Args:
        seq: Number of tokens.
        max_position: $L$, more than the longest sequence of evaluation; positions are from 0 to
            $L - 1$.
        generator: Source of chance, whose device is that of the result.

    Returns:
        Positions `[seq]`, int64, strictly increasing.

    Raises:
        ArgumentError: `seq` is negative, or more than `max_position`.
        ArgumentTypeError: One of them is no integer.

    Source:
        Ruoss et al. 2023, arXiv:2305.16843, section 3, whose positions count from 1.

    Examples:
        >>> chance = torch.Generator().manual_seed(0)
        >>> positions = phasor.positions.randomised(4, 2048, chance)
        >>> bool((positions.diff() > 0).all())
        True
    """
    check_count("seq", seq, at_least=0, advice=_TOKENS)
    advice = f"pass at least seq={seq}, so that each token gets a position of its own"
    check_count("max_position", max_position, at_least=seq, advice=advice)
    choice = torch.randperm(max_position, generator=generator, device=generator.device)
    return choice[:seq].sort().values


def interpolated(seq: int, factor: float, *, device: torch.device | str = "cpu") -> Tensor:
    r"""Positions squeezed into the range that a model was trained on: $m / s$.

    For a rotary encoding the same as `phasor.scaling.linear(factor=s)` with positions as they are,
    which stay integers; this is for encodings without frequencies.

    Args:
        seq: Number of tokens.
        factor: $s \ge 1$, by which the context grows.
        device: Of the result; one that has float64.

    Returns:
        Positions `[seq]`, float64.

    Raises:
        ArgumentError: `seq` is negative, or `factor` not from 1 on.
        ArgumentTypeError: `seq` is no integer.

    Source:
        Chen et al. 2023, arXiv:2306.15595, equation 4.

    Examples:
        >>> phasor.positions.interpolated(4, 2.0).tolist()
        [0.0, 0.5, 1.0, 1.5]
    """
    check_count("seq", seq, at_least=0, advice=_TOKENS)
    if not 1 <= factor < math.inf:
        raise ArgumentError(
            f"factor must be at least 1 and finite, got {factor}; "
            "pass the new length over the length the model was trained on"
        )
    return torch.arange(seq, dtype=torch.float64, device=device) / factor


def pose(seq: int, target_length: int, generator: torch.Generator, *, chunks: int = 2) -> Tensor:
    r"""A short sequence that skips ahead at random places, up to a longer length (PoSE).

    The sequence is cut into chunks at random. Chunk $i$ stands $u_i$ further on than without skips,
    $u_0 = 0$, $u_i \sim \mathcal U\{u_{i-1}, \ldots, L_t - L_c\}$.

    Args:
        seq: $L_c$, number of tokens.
        target_length: $L_t$, the length to train for; all positions are less.
        generator: Source of chance, whose device is that of the result.
        chunks: Number of chunks, none of them empty.

    Returns:
        Positions `[seq]`, int64, strictly increasing from 0.

    Raises:
        ArgumentError: Fewer than two chunks, or than two tokens; fewer tokens than chunks; or
            `target_length` less than `seq`.
        ArgumentTypeError: One of them is no integer.

    Source:
        Zhu et al. 2023, arXiv:2309.10400, section 3.2. Any place for a cut is as likely; the
        authors' code has two chunks of which the first has at most half the tokens, and skips text
        between the chunks too.

    Examples:
        >>> chance = torch.Generator().manual_seed(0)
        >>> positions = phasor.positions.pose(8, 1000, chance)
        >>> int(positions[0]), int((positions.diff() != 1).sum()), bool(positions[-1] < 1000)
        (0, 1, True)
    """
    check_count("chunks", chunks, at_least=2, advice="a sequence in one piece skips nothing")
    advice = f"pass at least one token for each of the {chunks} chunks"
    check_count("seq", seq, at_least=chunks, advice=advice)
    advice = f"pass the length to train for, not less than seq={seq}"
    check_count("target_length", target_length, at_least=seq, advice=advice)
    device = generator.device
    cuts = torch.randperm(seq - 1, generator=generator, device=device)[: chunks - 1] + 1
    jumps = torch.zeros(seq, dtype=torch.int64, device=device)
    skipped = 0
    for cut in cuts.sort().values.tolist():
        left = target_length - seq - skipped
        jump = int(torch.randint(left + 1, (), generator=generator, device=device))
        jumps[cut] = jump
        skipped += jump
    return torch.arange(seq, device=device) + jumps.cumsum(0)
