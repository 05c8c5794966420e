"""Meta's `params.json`: Llama as its authors publish it; Mistral's goes on to `mistral.py`."""

from collections.abc import Mapping
from typing import Any

from phasor._read.fields import MOST_TOKENS, Fields, short
from phasor._read.limits import MAX_LAYERS
from phasor._read.mistral import is_mistral, read_mistral
from phasor._read.notes import Notes
from phasor.rotary.scaling import Scaling, llama3
from phasor.spec import GeometricSpec, LayerSpec, PositionSpec, RotarySpec

_READ = {"dim", "n_layers", "n_heads", "head_dim", "max_seq_len"}
_READ |= {"rope_theta", "use_scaled_rope", "rope_scaling_factor", "rope_high_freq_factor"}
_NOT_ABOUT_POSITION = {
    "ffn_dim_multiplier",
    "lora_args",
    "max_batch_size",
    "multiple_of",
    "n_kv_heads",
    "norm_eps",
    "quantization_args",
    "vocab_size",
}
_LLAMA_4 = {"n_experts", "moe_args", "nope_layer_interval"}


def is_params(config: Mapping[str, Any]) -> bool:
    """Whether this is a `params.json`, in which `model_type` is missing or says nothing."""
    kind = config.get("model_type", "transformer")
    return kind == "transformer" and {"dim", "n_layers", "n_heads"} <= set(config)


def read_params(config: Mapping[str, Any], notes: Notes) -> PositionSpec:
    """The spec of `params.json`, Meta's or Mistral's.

    Of Meta's: neighbours are paired, since its weights are in the order of the paper, and
    `use_scaled_rope` is Llama 3.1's scaling by 8, whose numbers are in the code and, from Llama
    3.2 on, differ by model without the file saying so.
    """
    with notes.naming_the_source():
        return read_mistral(config, notes) if is_mistral(config) else _read_meta(config, notes)


def _read_meta(config: Mapping[str, Any], notes: Notes) -> PositionSpec:
    fields = Fields(config, notes)
    if not _LLAMA_4.isdisjoint(config):
        notes.doubt("this is Llama 4, of whose params.json only the rotation is read")
    for name, value in config.items():
        known = name in _READ | _NOT_ABOUT_POSITION | _LLAMA_4 | {"model_type"}
        if not known and value is not None:
            notes.doubt(f"{name} {short(value)} is not known in a params.json")
    # Meta's own files do not state it; what is converted to their form may need it.
    head_dim = fields.whole_or("head_dim", None) or fields.whole("dim") // fields.whole("n_heads")
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
