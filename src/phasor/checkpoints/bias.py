"""Biases on the score."""

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import Fields
from phasor.spec import ALiBiSpec, T5BiasSpec


def read_bias(fields: Fields, row: Architecture) -> ALiBiSpec | T5BiasSpec:
    """ALiBi or T5's buckets."""
    heads = fields.whole(row.heads)
    if row.mechanism == "alibi":
        if row.bias.get("before_scale"):  # Falcon adds it to scores that are scaled afterwards
            scale = (fields.whole("hidden_size") // heads) ** -0.5
        else:
            scale = 1.0
        return ALiBiSpec(
            num_heads=heads,
            scale=scale,
            precision="bfloat16" if row.bias.get("bfloat16") else "exact",
        )
    return T5BiasSpec(
        num_heads=heads,
        num_buckets=fields.whole("relative_attention_num_buckets"),
        max_distance=fields.whole_or("relative_attention_max_distance", 128) or 128,
        bidirectional=not row.causal,
        shared=bool(row.bias.get("shared", True)),
    )
