"""What a config says twice, says where half of its readers do not look, or leaves out."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from phasor._inspect.finding import Finding
from phasor._words import number
from phasor.rotary.scaling import LENGTH_KEY
from phasor.rotary.scaling.elsewhere import NEEDS_LENGTH

_PARSER = "transformers 5, modeling_rope_utils.py (standardize_rope_params)"
_DEPTH = 3


def config_findings(config: Mapping[str, Any]) -> list[Finding]:
    """What to know about the text of a config, whatever its reader makes of it."""
    return list(dict.fromkeys(_walk(config, _DEPTH)))


def _walk(config: Mapping[str, Any], depth: int) -> Iterator[Finding]:
    yield from _of_one(config)
    for name, inner in config.items():
        if depth and str(name).endswith("_config") and isinstance(inner, Mapping):
            yield from _walk(inner, depth - 1)


def _of_one(config: Mapping[str, Any]) -> Iterator[Finding]:
    if config.get("dual_chunk_attention_config"):
        yield Finding(
            "warning",
            "dual-chunk-attention",
            "The config asks for dual chunk attention, which keeps distances within those of "
            "training. vLLM computes it; transformers ignores it and turns by distances that the "
            "model never met, without a word.",
            ("vllm-project/vllm#11844", "arXiv:2402.17463"),
        )
    new, old = config.get("rope_parameters"), config.get("rope_scaling")
    top = config.get("rope_theta")
    if isinstance(new, Mapping) and isinstance(old, Mapping) and new != old:
        yield Finding(
            "warning",
            "two-rope-dictionaries",
            "The config has rope_scaling and rope_parameters, and they differ; transformers 5 "
            "reads rope_scaling.",
            (_PARSER,),
        )
    for name, rope in (("rope_parameters", new), ("rope_scaling", old)):
        for path, parameters in _flat(name, rope):
            yield from _of_parameters(path, parameters, config)
            inside = parameters.get("rope_theta")
            if top is None and inside is not None and inside != 10_000:
                yield Finding(
                    "warning",
                    "theta-inside",
                    f"rope_theta {_shown(inside)} is in {path}, where transformers 4 and what was "
                    "written for it do not look: they fall back to 10,000 in silence.",
                    ("deepspeedai/DeepSpeed#8345", "InternLM/lmdeploy#4304"),
                )
            if top is not None and inside is not None and top != inside:
                yield Finding(
                    "warning",
                    "two-thetas",
                    f"rope_theta is {_shown(top)} at the top and {_shown(inside)} in {path}; "
                    "transformers 5 takes the inner one, transformers 4 the outer.",
                    (_PARSER, "deepspeedai/DeepSpeed#8345"),
                )


def _shown(value: object) -> str:
    known = isinstance(value, int | float) and math.isfinite(value)
    return number(value) if known else repr(value)[:40]  # type: ignore[arg-type]


def _flat(name: str, rope: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parameters, or those of each layer type."""
    if not isinstance(rope, Mapping):
        return
    inner = {key: value for key, value in rope.items() if isinstance(value, Mapping)}
    if not inner:
        yield name, rope
    for key, value in inner.items():
        yield f"{name}.{key}", value


def _of_parameters(
    path: str, parameters: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Finding]:
    kinds = [parameters.get(name) for name in ("rope_type", "type")]
    kind = next((kind for kind in kinds if kind is not None), None)
    if None not in kinds and kinds[0] != kinds[1]:
        yield Finding(
            "warning",
            "two-rope-types",
            f"{path} has rope_type {kinds[0]!r} and type {kinds[1]!r}; newer readers take the "
            "first, older ones the second.",
            (_PARSER,),
        )
    name = LENGTH_KEY
    inside, outside = parameters.get(name), config.get(name)
    if kind in (*NEEDS_LENGTH, "su") and inside is None and outside is None:
        yield Finding(
            "warning",
            "original-length-missing",
            f"{path} is of type {kind!r} and has no {name}; transformers then takes "
            "max_position_embeddings, which is mostly the extended length already.",
            (_PARSER, "NVIDIA/Megatron-LM#1418"),
        )
    if inside is not None and outside is not None and inside != outside:
        yield Finding(
            "warning",
            "two-original-lengths",
            f"{name} is {outside} at the top and {inside} in {path}; transformers 5 takes the "
            "outer one.",
            (_PARSER,),
        )
    given = [key for key in ("attention_factor", "attn_factor") if parameters.get(key) is not None]
    mscales = [key for key in ("mscale", "mscale_all_dim") if parameters.get(key) is not None]
    if len(given) == 2 or (given and mscales):
        yield Finding(
            "warning",
            "attention-factor-twice",
            f"{path} has {' and '.join([*given, *mscales])}: engines take one, the other or the "
            "product of them for the gain on cos and sin.",
            ("sgl-project/sglang#33558",),
        )
    if parameters.get("attn_factor") not in (None, 1):
        yield Finding(
            "warning",
            "attn-factor",
            f"{path} has attn_factor {_shown(parameters['attn_factor'])}, by which some engines "
            "multiply YaRN's gain on cos and sin; transformers does not read it.",
            (_PARSER, "vllm, rotary_embedding/yarn_scaling_rope.py"),
        )
    partial = [holder.get("partial_rotary_factor") for holder in (config, parameters)]
    if None not in partial and partial[0] != partial[1]:
        yield Finding(
            "warning",
            "two-partial-factors",
            f"partial_rotary_factor is {partial[0]} at the top and {partial[1]} in {path}.",
            (_PARSER, "vllm-project/vllm#29966"),
        )
