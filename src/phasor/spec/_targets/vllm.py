"""vLLM's arguments: `--hf-overrides` for how a model turns, `--max-model-len` for how far.

The rules are those of `get_rope` in `vllm/model_executor/layers/rotary_embedding/__init__.py`
(926c71f6) and of the files beside it: YaRN's own gain is multiplied by `attn_factor` there and
replaced by `attention_factor` in later versions (`yarn_scaling_rope.py`, 0cd57848), LongRoPE's are
`short_mscale` and `long_mscale` (`phi3_long_rope_scaled_rope.py`, 17d618b0), and dynamic NTK turns
every sequence by one base (`dynamic_ntk_scaling_rope.py`, 3cfbaf33). How to pass them:
`docs/features/context_extension.md` (01ed47b4).
"""

import json
from typing import TYPE_CHECKING, Any

from phasor.rotary.scaling import DynamicNTK, LongRoPE, YaRN
from phasor.spec._targets.hf import to_hf
from phasor.spec._targets.stack import refused, turning, yarn_gain

if TYPE_CHECKING:
    from phasor.spec import RotarySpec
    from phasor.spec.position_spec import PositionSpec

_TARGET = "vLLM"


def to_vllm(spec: "PositionSpec") -> tuple[str, ...]:
    """See `PositionSpec.to_vllm`."""
    turning(spec, _TARGET)
    fields = to_hf(spec, adapt=lambda rotary, written: _adapt(written, rotary, spec))
    overrides = {"rope_parameters": fields["rope_parameters"]}
    length = spec.max_seq_len
    if length is None:
        return ("--hf-overrides", json.dumps(overrides))
    overrides["max_position_embeddings"] = length
    return ("--hf-overrides", json.dumps(overrides), "--max-model-len", str(length))


def _adapt(written: dict[str, Any], rotary: "RotarySpec", spec: "PositionSpec") -> None:
    scaling = rotary.scaling
    if isinstance(scaling, DynamicNTK):
        raise refused(
            spec, _TARGET, "a base that grows with each sequence; it has one for all, so settle it "
            "with scaling.at(seq_len)",
        )  # fmt: skip
    if isinstance(scaling, YaRN):
        table = scaling.factor * scaling.original_seq_len
        if spec.max_seq_len is not None and spec.max_seq_len > table:
            raise refused(
                spec, _TARGET, f"max_seq_len {spec.max_seq_len} with YaRN's factor "
                f"{scaling.factor:g}; it allows {table:g} tokens, factor * original_seq_len",
            )  # fmt: skip
        gain, usual = yarn_gain(rotary)
        if gain != usual and not scaling.scale_softmax:  # DeepSeek's code there reads mscale
            written |= {"attention_factor": gain, "attn_factor": gain / usual}
    if isinstance(scaling, LongRoPE):
        short, long = scaling.short().attention_factor, scaling.long().attention_factor
        written |= {"short_mscale": short, "long_mscale": long}
