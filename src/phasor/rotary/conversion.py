r"""Converting activations and weights from one pair layout to the other.

Two layouts are in use, and weights trained in one are wrong in the other. A conversion moves the
channels of query and key alike, so every product $q\cdot k$ stays what it was:

- `channel_order` and `sign_of_channels` say what a conversion does to one head;
- `convert_activations`, `convert_projection`, `convert_norm` and `convert_fused` do it to tensors.

Values, output projections and LoRA's A hold no channel that turns: they stay as they are. Sections
and axes are the same in both layouts: pair $p$ stays pair $p$, with its frequency. Rows that are
quantised in blocks must be dequantised first.
"""

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.rotary.layout import Layout, RotarySlice, check_layout, check_slice


def channel_order(
    head_dim: int,
    *,
    source: Layout,
    target: Layout,
    rotary_dim: int | None = None,
    rotary_slice: RotarySlice = "leading",
) -> Tensor:
    """Where each channel of a head comes from: `x_target = x_source[..., order]`.

    Args:
        head_dim: Channels of each head.
        source: Layout of the channels as they are, `"half"` or `"interleaved"`.
        target: Layout wanted.
        rotary_dim: Channels that turn (partial rotary), even; all of them if `None`. The others
            keep their places.
        rotary_slice: Whether the channels that turn are the `"leading"` or the `"trailing"` ones
            of the head.

    Returns:
        A permutation, `[head_dim]`, int64 on the CPU.

    Raises:
        ArgumentError: An unknown `source`, `target` or `rotary_slice`, or a `rotary_dim` that is
            odd, below 2 or above `head_dim`.

    Source:
        Su et al. 2021, arXiv:2104.09864, section 3.4.2 (interleaved); Wang and Komatsuzaki's
        GPT-J and EleutherAI's GPT-NeoX, which brought the two layouts to code.

    Examples:
        >>> from phasor.rotary.conversion import channel_order
        >>> channel_order(6, source="interleaved", target="half").tolist()
        [0, 2, 4, 1, 3, 5]
        >>> channel_order(
        ...     6, source="half", target="interleaved", rotary_dim=4, rotary_slice="trailing"
        ... ).tolist()
        [0, 1, 2, 4, 3, 5]
    """
    check_layout(source)
    check_layout(target)
    start, stop = _turning(head_dim, rotary_dim, rotary_slice)
    order = torch.arange(head_dim, device="cpu")
    if source == target:
        return order
    pairs = (stop - start) // 2
    # Either layout is a matrix of pairs, stored one way or the other.
    matrix = order[start:stop].view((2, pairs) if source == "half" else (pairs, 2))
    return torch.cat((order[:start], matrix.T.flatten(), order[stop:]))


def sign_of_channels(
    head_dim: int,
    *,
    layout: Layout,
    rotary_dim: int | None = None,
    rotary_slice: RotarySlice = "leading",
) -> Tensor:
    r"""Signs that reverse the direction of turning: -1 on the second channel of each pair.

    With $S$ the diagonal of these signs, $S\,R(-\theta) = R(\theta)\,S$, and $S$ leaves products
    alone: a model that turns by $-\theta$ gives the same scores when it turns $S q$ and $S k$ by
    $+\theta$. What the `convert_*` functions multiply with when `flip=True`.

    Args:
        head_dim: Channels of each head.
        layout: Which channels form a pair.
        rotary_dim: As for `channel_order`.
        rotary_slice: As for `channel_order`.

    Returns:
        +1 or -1 for each channel, `[head_dim]`, int64 on the CPU; +1 where nothing turns.

    Raises:
        ArgumentError: As for `channel_order`.

    Source:
        nanochat (Karpathy 2025) rotates with `cat(x2, -x1)` where others have `cat(-x2, x1)`.

    Examples:
        >>> from phasor.rotary.conversion import sign_of_channels
        >>> sign_of_channels(6, layout="half", rotary_dim=4).tolist()
        [1, 1, -1, -1, 1, 1]
        >>> sign_of_channels(6, layout="interleaved", rotary_dim=4).tolist()
        [1, -1, 1, -1, 1, 1]
    """
    check_layout(layout)
    start, stop = _turning(head_dim, rotary_dim, rotary_slice)
    channel = torch.arange(head_dim, device="cpu") - start
    turns = (channel >= 0) & (channel < stop - start)
    second = channel >= (stop - start) // 2 if layout == "half" else channel % 2 == 1
    return 1 - 2 * (turns & second)


def convert_activations(
    x: Tensor,
    *,
    source: Layout,
    target: Layout,
    rotary_dim: int | None = None,
    rotary_slice: RotarySlice = "leading",
    flip: bool = False,
    dim: int = -1,
) -> Tensor:
    """Queries or keys, such as a cache of keys, from one layout to the other.

    Serves any tensor with the channels of a head along one dimension: a projection stored as
    `[in_features, num_heads, head_dim]`, as JAX does, is one.

    Args:
        x: `[..., head_dim]`, or `head_dim` along `dim`.
        source: Layout of `x`.
        target: Layout wanted.
        rotary_dim: Channels that turn (partial rotary), even; all of them if `None`.
        rotary_slice: Whether those are the `"leading"` or the `"trailing"` ones of the head.
        flip: Also reverse the direction of turning: see `sign_of_channels`.
        dim: Dimension of the channels.

    Returns:
        A new tensor of the shape, dtype and device of `x`. Gradients flow through.

    Raises:
        ArgumentError: As for `channel_order`, or `x` has no dimension `dim`.

    Source:
        As for `channel_order` and `sign_of_channels`.

    Examples:
        >>> from phasor.rotary import convert_activations
        >>> key = torch.tensor([10.0, 11.0, 20.0, 21.0])
        >>> convert_activations(key, source="interleaved", target="half")
        tensor([10., 20., 11., 21.])
        >>> convert_activations(key, source="half", target="half", flip=True)
        tensor([ 10.,  11., -20., -21.])
    """
    if not -x.ndim <= dim < x.ndim:
        raise ArgumentError(
            f"x must have the channels of a head along dim={dim}, got shape {list(x.shape)}; "
            "pass the dimension whose size is head_dim"
        )
    head_dim = x.shape[dim]
    order = channel_order(
        head_dim, source=source, target=target, rotary_dim=rotary_dim, rotary_slice=rotary_slice
    )
    converted = x.index_select(dim, order.to(x.device))
    if flip:
        sign = sign_of_channels(
            head_dim, layout=target, rotary_dim=rotary_dim, rotary_slice=rotary_slice
        )
        after = x.ndim - 1 - dim % x.ndim
        converted = converted * sign.to(x.device, x.dtype).view(-1, *[1] * after)
    return converted


def convert_projection(
    weight: Tensor,
    *,
    num_heads: int,
    source: Layout,
    target: Layout,
    head_dim: int | None = None,
    rotary_dim: int | None = None,
    rotary_slice: RotarySlice = "leading",
    flip: bool = False,
) -> Tensor:
    """The rows of a query or key projection, from one layout to the other.

    Also its bias, and a query or key norm across all heads (OLMo 2). Of a LoRA pair on such a
    projection convert B, `[num_heads * head_dim, rank]`, in the same way; A, whose rows are the
    rank and whose columns are inputs, stays unchanged. A norm between projection and rotation
    needs `convert_norm` as well.

    Args:
        weight: `[num_heads * head_dim, in_features]`, or a bias `[num_heads * head_dim]`.
        num_heads: Heads of this very projection: for the key of a grouped-query model, its number
            of key-value heads. A shared key of multi-head latent attention is one head.
        source: Layout that the weights were trained in.
        target: Layout wanted.
        head_dim: If given, checked. Rows alone cannot tell 8 heads of 128 from 32 of 32.
        rotary_dim: Channels that turn (partial rotary), even; all of them if `None`.
        rotary_slice: Whether those are the `"leading"` or the `"trailing"` ones of each head.
        flip: Also reverse the direction of turning: see `sign_of_channels`.

    Returns:
        A new tensor of the shape, dtype and device of `weight`.

    Raises:
        ArgumentError: As for `channel_order`, or the rows are not `num_heads` heads of `head_dim`.

    Source:
        The conversion of Meta's LLaMA in transformers, `convert_llama_weights_to_hf.py`
        (`permute`), is `source="interleaved"`, `target="half"` for whole heads.

    Examples:
        >>> from phasor.rotary import convert_projection
        >>> key_weight = torch.arange(8)[:, None]  # 2 key-value heads of 4 channels, 1 input
        >>> converted = convert_projection(
        ...     key_weight, num_heads=2, source="interleaved", target="half", head_dim=4
        ... )
        >>> converted.flatten().tolist()
        [0, 2, 1, 3, 4, 6, 5, 7]
    """
    heads = split_heads(weight, num_heads, head_dim, f"num_heads={num_heads} heads")
    converted = convert_activations(
        heads,
        source=source,
        target=target,
        rotary_dim=rotary_dim,
        rotary_slice=rotary_slice,
        flip=flip,
        dim=1,
    )
    return converted.reshape(weight.shape)


def convert_norm(
    gain: Tensor,
    *,
    source: Layout,
    target: Layout,
    rotary_dim: int | None = None,
    rotary_slice: RotarySlice = "leading",
    flip: bool = False,
) -> Tensor:
    r"""The gain, or the bias, of a norm over the channels of a query or key head.

    Gains stored as an offset from one (Gemma) may be converted like any other, but not flipped.

    Args:
        gain: `[head_dim]`, or `[num_heads, head_dim]` where each head has its own.
        source: Layout of the channels that the norm was trained on.
        target: Layout wanted.
        rotary_dim: Channels that turn (partial rotary), even; all of them if `None`.
        rotary_slice: Whether those are the `"leading"` or the `"trailing"` ones of the head.
        flip: Also reverse the direction of turning, here and not at the projection: both
            together cancel. RMSNorm lets signs through, so flip the projection and not its gain.
            LayerNorm does not, since signs change its mean: flip its gain and its bias, and not
            the projection. A norm after the rotation is never flipped.

    Returns:
        A new tensor of the shape, dtype and device of `gain`.

    Raises:
        ArgumentError: As for `channel_order`, or `gain` is neither a vector nor a matrix.

    Source:
        RMSNorm and LayerNorm treat all channels alike, so they commute with any permutation whose
        gain is permuted too.

    Examples:
        >>> from phasor.rotary import convert_norm
        >>> convert_norm(torch.tensor([1.0, 2.0, 3.0, 4.0]), source="half", target="interleaved")
        tensor([1., 3., 2., 4.])
    """
    if gain.ndim not in (1, 2):
        raise ArgumentError(
            f"gain must be [head_dim] or [num_heads, head_dim], got shape {list(gain.shape)}; "
            "use convert_activations for other tensors with channels along one dimension"
        )
    return convert_activations(
        gain,
        source=source,
        target=target,
        rotary_dim=rotary_dim,
        rotary_slice=rotary_slice,
        flip=flip,
    )


def _turning(head_dim: int, rotary_dim: int | None, rotary_slice: str) -> tuple[int, int]:
    """The first channel that turns, and the first after it that does not."""
    check_slice(rotary_slice)
    if rotary_dim is None:
        if head_dim < 2 or head_dim % 2:
            raise ArgumentError(
                f"head_dim must be even and at least 2 where the whole head turns, got {head_dim}"
                + (f"; pass rotary_dim={head_dim - 1} to leave one channel out" * (head_dim > 2))
            )
        rotary_dim = head_dim
    if rotary_dim < 2 or rotary_dim % 2 or rotary_dim > head_dim:
        raise ArgumentError(
            f"rotary_dim must be even and from 2 to head_dim {head_dim}, got {rotary_dim}; pass "
            "the number of channels that turn in each head, not of pairs or of the whole model"
        )
    start = 0 if rotary_slice == "leading" else head_dim - rotary_dim
    return start, start + rotary_dim


def split_heads(weight: Tensor, num_heads: int, head_dim: int | None, heads: str) -> Tensor:
    """`weight` as `[num_heads, head_dim, ...]`, if its rows allow."""
    remedy = (
        "pass the heads of this very projection, which are num_kv_heads for the key of a "
        "grouped-query model"
    )
    if weight.ndim == 0 or num_heads < 1 or weight.shape[0] % num_heads:
        raise ArgumentError(
            f"weight must have rows that {heads} share evenly, got shape {list(weight.shape)}; "
            + remedy
        )
    found = weight.shape[0] // num_heads
    if head_dim is not None and head_dim != found:
        raise ArgumentError(
            f"weight must have head_dim={head_dim} rows for each of {heads}, got shape "
            f"{list(weight.shape)} and so {found}; {remedy}"
        )
    return weight.unflatten(0, (num_heads, found))
