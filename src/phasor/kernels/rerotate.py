"""Turning cached keys over to other positions or other frequencies, in one rotation."""

from torch import Tensor

from phasor.errors import ArgumentError
from phasor.kernels.checks import check_activations
from phasor.kernels.reference import apply_rotation
from phasor.positions import check_positions
from phasor.positions.checks import check_dense
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.layout import Layout, RotarySlice, check_layout, check_slice
from phasor.rotary.phase import angles, table_dtype


def rerotate(
    key: Tensor,
    positions: Tensor,
    frequencies: Frequencies,
    *,
    new_positions: Tensor | None = None,
    new_frequencies: Frequencies | None = None,
    layout: Layout = "half",
    rotary_slice: RotarySlice = "leading",
) -> Tensor:
    r"""Turn keys that were rotated for one place, or one context length, over to another.

    Rotations compose: $R(m'\omega')\,R(m\omega)^{-1} = R(m'\omega' - m\omega)$, so the keys need
    not be computed anew when a cache is shifted, or when dynamic NTK or LongRoPE change their
    frequencies as the sequence grows.

    Args:
        key: `[batch, num_kv_heads, seq, head_dim]`, rotated by `positions` and `frequencies`.
        positions: Where the keys were: `[seq]` or `[batch, seq]`, with a last axis for several
            axes.
        frequencies: What they were rotated with.
        new_positions: Where they are to be; where they were if `None`.
        new_frequencies: What they are to be rotated with; the same if `None`.
        layout: Which channels form a pair.
        rotary_slice: Which channels turn.

    Returns:
        The keys as if rotated by the new positions and frequencies in the first place, to rounding.

    Raises:
        ArgumentError: Nothing new was given, or something does not fit.

    Examples:
        >>> frequencies, key = phasor.geometric(64), torch.randn(1, 2, 5, 64)
        >>> positions = torch.arange(5)
        >>> _, near = phasor.rotate(key, key, positions, frequencies)
        >>> _, far = phasor.rotate(key, key, positions + 100, frequencies)
        >>> moved = phasor.rerotate(near, positions, frequencies, new_positions=positions + 100)
        >>> torch.testing.assert_close(moved, far)
    """
    check_layout(layout)
    check_slice(rotary_slice)
    if new_positions is None and new_frequencies is None:
        raise ArgumentError(
            "rerotate needs new_positions, new_frequencies or both; got neither, which changes "
            "nothing"
        )
    new_frequencies = frequencies if new_frequencies is None else new_frequencies
    new_positions = positions if new_positions is None else new_positions
    check_positions(positions, axes=frequencies.axes, owner="rerotate")
    check_positions(new_positions, axes=new_frequencies.axes, owner="rerotate")
    check_dense(key=key, positions=positions, new_positions=new_positions)
    if new_frequencies.pairs != frequencies.pairs:
        raise ArgumentError(
            f"new frequencies must turn the same channels, got {new_frequencies.pairs} pairs in "
            f"place of {frequencies.pairs}"
        )
    seq_at = -1 if frequencies.axes == 1 else -2
    if new_positions.shape[seq_at] != positions.shape[seq_at]:
        raise ArgumentError(
            f"new_positions must name one place for each of the {positions.shape[seq_at]} old "
            f"ones, got shape {list(new_positions.shape)}"
        )
    check_activations(
        key,
        new_positions,
        rotary_dim=frequencies.rotary_dim,
        axes=new_frequencies.axes,
        owner="rerotate",
        what="key",
    )
    turn = angles(new_positions, new_frequencies) - angles(positions, frequencies)
    gain = new_frequencies.attention_scale / frequencies.attention_scale
    dtype = table_dtype(key.dtype)
    cos, sin = (turn.cos() * gain).to(dtype), (turn.sin() * gain).to(dtype)
    start = key.shape[-1] - frequencies.rotary_dim if rotary_slice == "trailing" else 0
    return apply_rotation(key, cos, sin, layout=layout, start=start)
