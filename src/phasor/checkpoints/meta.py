"""Meta's `params.json`: Llama as its authors publish it."""

from collections.abc import Mapping
from typing import Any

from phasor.checkpoints.fields import MOST_TOKENS, Fields
from phasor.checkpoints.limits import MAX_LAYERS
from phasor.checkpoints.notes import Notes
from phasor.rotary.scaling import Scaling, llama3
from phasor.spec import GeometricSpec, LayerSpec, PositionSpec, RotarySpec

_KNOWN = {"rope_theta", "use_scaled_rope", "rope_scaling_factor", "rope_high_freq_factor"}


def is_params(config: Mapping[str, Any]) -> bool:
    """Whether this is Meta's form, which has no `model_type`."""
    return "model_type" not in config and {"dim", "n_layers", "n_heads"} <= set(config)


def read_params(config: Mapping[str, Any], notes: Notes) -> PositionSpec:
    """The spec of `params.json`.

    Neighbours are paired: Meta's weights are in the order of the paper. `use_scaled_rope` is
    Llama 3.1's scaling by 8, whose numbers are in the code and, from Llama 3.2 on, differ by model
    without the file saying so.
    """
    fields = Fields(config, notes)
    for name in config:
        if "rope" in name and name not in _KNOWN:
            notes.doubt(f"{name} {config[name]!r} is not known in a params.json")
    if "n_experts" in config or "moe_args" in config or "nope_layer_interval" in config:
        notes.doubt("this is Llama 4, of whose params.json only the rotation is read")
    head_dim = fields.whole("dim") // fields.whole("n_heads")
    if fields.get("rope_theta") is None:
        notes.note("rope_theta is missing; Llama 1 and 2 have 10000")
        base = 10_000.0
    else:
        base = fields.number("rope_theta")
    scaling: Scaling | None = None
    if fields.get("use_scaled_rope"):
        if fields.get("rope_scaling_factor") is None:
            notes.note("use_scaled_rope is taken as Llama 3.1's, by 8; Llama 3.2's is by 32")
            scaling = llama3(factor=8.0)
        else:
            if fields.get("rope_high_freq_factor") is None:
                notes.note("rope_high_freq_factor is missing; Llama 3.1 and 3.2 have 4")
                high = 4.0
            else:
                high = fields.number("rope_high_freq_factor")
            factor = fields.number("rope_scaling_factor")
            scaling = llama3(factor=factor, high_freq_factor=high)
    rotary = RotarySpec(
        head_dim=head_dim,
        frequencies=GeometricSpec(rotary_dim=head_dim, base=base),
        scaling=scaling,
        layout="interleaved",
    )
    layer = LayerSpec(encodings=(rotary,))
    return PositionSpec(
        model="llama",
        layers=(layer,) * fields.whole("n_layers", most=MAX_LAYERS),
        max_seq_len=fields.whole_or("max_seq_len", None, most=MOST_TOKENS),
    )
