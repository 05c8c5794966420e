"""The config fields of mlx-lm.

The rules are those of `initialize_rope` in `mlx_lm/models/rope_utils.py` (060aa434): it knows
`linear`, `llama3`, `yarn` without `truncate`, and `longrope`, of which it takes the long list
always.
"""

from typing import TYPE_CHECKING, Any

from phasor.rotary.scaling import DynamicNTK, LongRoPE, NTKAlpha, YaRN
from phasor.spec._targets.hf import to_hf
from phasor.spec._targets.stack import refused, turning, yarn_gain

if TYPE_CHECKING:
    from phasor.spec import RotarySpec
    from phasor.spec.position_spec import PositionSpec

_TARGET = "mlx-lm"
_FIELDS = (
    "max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_local_base_freq",
    "rope_scaling",
)


def to_mlx(spec: "PositionSpec") -> dict[str, Any]:
    """See `PositionSpec.to_mlx`."""
    turning(spec, _TARGET)
    fields = to_hf(spec, 4, lambda rotary, written: _adapt(written, rotary, spec))
    return {name: fields[name] for name in _FIELDS if name in fields}


def _adapt(written: dict[str, Any], rotary: "RotarySpec", spec: "PositionSpec") -> None:
    scaling = rotary.scaling
    if isinstance(scaling, DynamicNTK | NTKAlpha):
        raise refused(
            spec, _TARGET, 'rope_type "dynamic"; settle it as phasor.scaling.ntk, which is a '
            "larger base",
        )  # fmt: skip
    if isinstance(scaling, LongRoPE):
        raise refused(
            spec, _TARGET, "two lists of LongRoPE; it turns sequences of every length by the long "
            "one",
        )  # fmt: skip
    if rotary.sections is not None:
        raise refused(spec, _TARGET, "several axes of positions")
    if isinstance(scaling, YaRN):
        if not scaling.truncate:
            raise refused(spec, _TARGET, "YaRN with truncate=False; it rounds the ends of the ramp")
        gain, usual = yarn_gain(rotary)
        if gain != usual:
            written["attention_factor"] = gain
