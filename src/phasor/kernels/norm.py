"""RMSNorm of query and key heads and their rotation, as one operation."""

from typing import Literal

import torch
from torch import Tensor

import phasor.kernels.norm_operator  # noqa: F401 - defines the operators
from phasor.errors import ArgumentError
from phasor.kernels._turn import Turn
from phasor.kernels.checks import beside, with_axes
from phasor.kernels.norm_checks import (
    FusedImpl,
    check_heads,
    check_weight,
    dense_rows,
    turn_of,
    use_triton,
)
from phasor.kernels.norm_reference import cos_sin_by, norm_rotate_reference, weight_spread
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.layout import Layout, RotarySlice
from phasor.rotary.phase import Precision, table_dtype

Save = Literal["auto", "input", "output"]

# Rebuilding may enlarge a rounding error by this much. At 16 the error of a bfloat16 output, 2^-9
# of a pair, stays below 2^-5 of a channel that contributes to the gradient through a mean alone.
LARGEST_SPREAD = 16.0


def norm_rotate(
    query: Tensor,
    key: Tensor | None,
    query_weight: Tensor,
    key_weight: Tensor | None,
    positions: Tensor,
    frequencies: Frequencies,
    *,
    eps: float = 1e-6,
    unit_offset: bool = False,
    layout: Layout = "half",
    rotary_slice: RotarySlice = "leading",
    precision: Precision = "exact",
    save: Save = "auto",
    impl: FusedImpl = "auto",
) -> tuple[Tensor, Tensor | None]:
    r"""Normalise each head of query and key by its root mean square, and rotate it.

    $y = R(\theta)\,\bigl(w \odot x / \sqrt{\overline{x^2} + \epsilon}\bigr)$, in float32 (float64
    for float64) and rounded once, where models that do the two in turn round in between.

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`.
        query_weight: `[head_dim]`, shared by the heads.
        key_weight: The same for the key; `None` exactly if `key` is.
        positions: `[seq]` or `[batch, seq]`, with a last axis for several axes.
        frequencies: What each pair turns per unit of position.
        eps: $\epsilon$, added to the mean of squares.
        unit_offset: Whether the factor is $1 + w$ (Gemma) instead of $w$ (Qwen).
        layout: Which channels form a pair.
        rotary_slice: Which channels turn. All are normalised.
        precision: See `phasor.cos_sin`.
        save: What is kept for the backward. `"output"` keeps the results, which attention keeps
            anyway, and rebuilds the normalised input from them: no memory beyond four bytes per
            head and token, but weights within a pair must not differ by more than a factor of 16,
            nor be zero. `"input"` keeps the input. `"auto"` keeps the results if the weights allow
            it; finding out waits for the device, so under torch.compile and while a CUDA graph is
            captured it keeps the input.
        impl: `"triton"`, `"reference"`, or `"auto"` for Triton on CUDA devices, where it is
            installed, and plain PyTorch elsewhere.

    Returns:
        Query and key, in their own dtypes and memory layouts; `None` for an absent key.

    Raises:
        ArgumentError: A shape or option that does not fit, or `save="output"` with weights that
            forbid it (on a GPU: an error of the device, so as not to wait for it).
        NotImplementedError: A forced `impl` that cannot run here, or a second derivative.

    Source:
        Henry et al. 2020, arXiv:2010.04245 (normalised queries and keys); as built in Qwen3
        (arXiv:2505.09388) and Gemma 3 (arXiv:2503.19786), before the rotation.

    Examples:
        >>> from phasor.kernels.norm import norm_rotate
        >>> query, weight = torch.randn(1, 4, 3, 64), torch.ones(64)
        >>> frequencies = phasor.geometric(64)
        >>> turned, _ = norm_rotate(query, None, weight, None, torch.arange(3), frequencies)
        >>> torch.testing.assert_close(turned.square().mean(-1), torch.ones(1, 4, 3))
    """
    check_heads(
        query, key, positions, frequencies, layout=layout, rotary_slice=rotary_slice,
        precision=precision, owner="norm_rotate",
    )  # fmt: skip
    check_weight(query_weight, query, "query")
    if (key is None) != (key_weight is None):
        raise ArgumentError(
            "key and key_weight go together, got "
            + ("a key_weight without a key" if key is None else "a key without its key_weight")
        )
    if key is not None and key_weight is not None:
        check_weight(key_weight, key, "key")
    positions = with_axes(positions, frequencies.axes)
    operand = beside(query, frequencies.operand(positions, precision))
    turn = turn_of(query, frequencies, layout, rotary_slice)
    if impl == "reference":
        dtype = table_dtype(
            query.dtype if key is None else torch.promote_types(query.dtype, key.dtype)
        )
        cos, sin = cos_sin_by(positions, operand, gain=turn.gain, dtype=dtype)
        results = [
            norm_rotate_reference(x, weight, cos, sin, turn, eps=eps, unit_offset=unit_offset)[0]
            for x, weight in ((query, query_weight), (key, key_weight))
            if x is not None and weight is not None
        ]
        return results[0], results[1] if key is not None else None
    triton = use_triton(impl, query)
    weights = [query_weight] if key_weight is None else [query_weight, key_weight]
    save_output = _saves_output(
        save, weights, frequencies.pairs, unit_offset, turn,
        needed=torch.is_grad_enabled() and any(
            x is not None and x.requires_grad for x in (query, key, *weights)
        ),
    )  # fmt: skip
    query, key = dense_rows(query), None if key is None else dense_rows(key)
    out, key_out, _, _ = torch.ops.phasor.norm_rotate(
        query, key, query_weight, key_weight, positions, operand, eps, unit_offset,
        turn.interleaved, turn.start, turn.gain, triton, save_output,
    )  # fmt: skip
    return out, None if key is None else key_out


def _saves_output(
    save: Save,
    weights: list[Tensor],
    pairs: int,
    unit_offset: bool,
    turn: Turn,
    *,
    needed: bool,
) -> bool:
    if save not in ("auto", "input", "output"):
        raise ArgumentError(f"save must be 'auto', 'input' or 'output', got {save!r}")
    unreadable = torch.compiler.is_compiling() or (
        weights[0].is_cuda and torch.cuda.is_current_stream_capturing()
    )
    if not needed or save == "input" or (save == "auto" and unreadable):
        return False
    spread = torch.stack(
        [weight_spread(weight, turn, pairs=pairs, unit_offset=unit_offset) for weight in weights]
    ).amax()
    if save == "auto":
        return bool(spread <= LARGEST_SPREAD)
    advice = "pass save='input', or 'auto' to choose by the weights"
    if unreadable or weights[0].device.type != "cpu":
        torch._assert_async(
            spread <= LARGEST_SPREAD,
            f"norm_rotate cannot rebuild its input from the output: weights of a pair differ by "
            f"more than a factor of {LARGEST_SPREAD:g}, or are zero; {advice}",
        )
    elif spread > LARGEST_SPREAD:
        raise ArgumentError(
            f"norm_rotate cannot rebuild its input from the output: weights of a pair differ by a "
            f"factor of {float(spread):.3g}, and at most {LARGEST_SPREAD:g} keeps the gradient "
            f"accurate; {advice}"
        )
    return True
