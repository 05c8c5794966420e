"""Converting a projection that makes query, key and value at once."""

from typing import Literal

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.rotary.conversion import convert_activations, split_heads
from phasor.rotary.layout import Layout, RotarySlice

Arrangement = Literal["stacked", "grouped"]
ARRANGEMENTS: tuple[Arrangement, ...] = ("stacked", "grouped")


def convert_fused(
    weight: Tensor,
    *,
    num_heads: int,
    num_kv_heads: int,
    arrangement: Arrangement,
    source: Layout,
    target: Layout,
    head_dim: int | None = None,
    rotary_dim: int | None = None,
    rotary_slice: RotarySlice = "leading",
    flip: bool = False,
) -> Tensor:
    """The rows of a projection that makes query, key and value at once; values stay untouched.

    Also its bias, and B of a LoRA pair on it; A stays unchanged, as for `convert_projection`.

    Args:
        weight: `[(num_heads + 2 * num_kv_heads) * head_dim, in_features]`, or a bias without the
            last dimension.
        num_heads: Heads of the query.
        num_kv_heads: Heads of key and value; divides `num_heads`.
        arrangement: `"stacked"`: all query rows, then all of the key, then all of the value
            (Phi-3). `"grouped"`: for each key-value head its query heads, its key, its value
            (GPT-NeoX, where `num_kv_heads` is `num_heads`; Falcon's new decoder; InternLM 2).
        source: Layout that the weights were trained in.
        target: Layout wanted.
        head_dim: If given, checked against the rows.
        rotary_dim: Channels that turn (partial rotary), even; all of them if `None`.
        rotary_slice: Whether those are the `"leading"` or the `"trailing"` ones of each head.
        flip: Also reverse the direction of turning: see `sign_of_channels`.

    Returns:
        A new tensor of the shape, dtype and device of `weight`.

    Raises:
        ArgumentError: As for `channel_order`, an unknown `arrangement`, a `num_kv_heads` that
            does not divide `num_heads`, or rows that are not that many heads of `head_dim`.

    Source:
        The arrangements are those of `modeling_phi3.py`, `modeling_gpt_neox.py` and
        `modeling_falcon.py` in transformers.

    Examples:
        >>> from phasor.rotary import convert_fused
        >>> bias = torch.arange(12)  # one head of 4 channels: query, key, value
        >>> convert_fused(
        ...     bias,
        ...     num_heads=1,
        ...     num_kv_heads=1,
        ...     arrangement="grouped",
        ...     source="interleaved",
        ...     target="half",
        ... ).tolist()
        [0, 2, 1, 3, 4, 6, 5, 7, 8, 9, 10, 11]
    """
    if arrangement not in ARRANGEMENTS:
        raise ArgumentError(
            f"arrangement must be one of {list(ARRANGEMENTS)}, got {arrangement!r}; 'stacked' has "
            "all query rows, then key, then value (Phi-3), 'grouped' has query heads, key and "
            "value of each key-value head together (GPT-NeoX, Falcon)"
        )
    if num_kv_heads < 1 or num_heads < 1 or num_heads % num_kv_heads:
        raise ArgumentError(
            f"num_kv_heads must divide num_heads, got num_heads={num_heads} and "
            f"num_kv_heads={num_kv_heads}; without grouped queries they are the same number"
        )
    total = num_heads + 2 * num_kv_heads
    heads = split_heads(
        weight, total, head_dim, f"num_heads={num_heads} + 2 * num_kv_heads={num_kv_heads} heads"
    )
    # `[groups, heads of a group, head_dim, ...]`, the heads that turn first in each group.
    groups = 1 if arrangement == "stacked" else num_kv_heads
    heads = heads.unflatten(0, (groups, total // groups))
    still = num_kv_heads // groups
    turning, values = heads.split((total // groups - still, still), dim=1)
    turning = convert_activations(
        turning,
        source=source,
        target=target,
        rotary_dim=rotary_dim,
        rotary_slice=rotary_slice,
        flip=flip,
        dim=2,
    )
    return torch.cat((turning, values), dim=1).reshape(weight.shape)
