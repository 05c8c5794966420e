"""GGUF files: the metadata that llama.cpp reads."""

from pathlib import Path
from typing import Any

from phasor.checkpoints.fields import MOST_TOKENS, Fields
from phasor.checkpoints.gguf_header import read_header
from phasor.checkpoints.limits import MAX_LAYERS
from phasor.checkpoints.notes import Notes
from phasor.rotary.scaling import Scaling, linear, stretch, yarn
from phasor.spec import GeometricSpec, LayerSpec, PositionSpec, RotarySpec

# llama.cpp's two ways to pair channels, by architecture (`llama_model_rope_type` there). Left out
# are those whose layers differ in what metadata does not say.
# fmt: off
_NEIGHBOURS = {
    "llama", "deci", "baichuan", "orion", "plamo", "internlm2", "minicpm", "xverse", "command-r",
    "olmo", "arctic", "deepseek", "chatglm", "granite", "granitemoe", "arcee", "ernie4_5",
}
_HALVES = {
    "falcon", "dbrx", "stablelm", "bitnet", "qwen", "qwen2", "qwen2moe", "qwen3", "qwen3moe",
    "olmo2", "olmoe", "phi2", "phi3", "gemma", "gemma2", "starcoder2", "gptneox", "codeshell",
    "nemotron", "exaone",
}
# fmt: on
_FACTORS = "rope_freqs.weight"


def read_gguf(path: Path, notes: Notes) -> PositionSpec:
    """The spec of a GGUF file, from its metadata alone."""
    values = _metadata(path)
    model = values.get("general.architecture")
    if not isinstance(model, str):
        raise notes.wrong("general.architecture is missing")
    if model not in _NEIGHBOURS | _HALVES:
        raise notes.wrong(f"general.architecture {model!r} is not known")
    own = {name.removeprefix(f"{model}."): value for name, value in values.items()}
    fields = Fields(own, notes)
    head_dim = fields.whole_or("attention.key_length", None)
    if head_dim is None:
        head_dim = fields.whole("embedding_length") // fields.whole("attention.head_count")
    if fields.get("rope.freq_base") is None:
        notes.note("rope.freq_base is missing; llama.cpp takes 10000")
        own["rope.freq_base"] = 10_000.0
    width = fields.whole_or("rope.dimension_count", None) or head_dim
    rotary = RotarySpec(
        head_dim=head_dim,
        frequencies=GeometricSpec(rotary_dim=width, base=fields.number("rope.freq_base")),
        scaling=_scaling(fields, values.get(_FACTORS), notes),
        layout="interleaved" if model in _NEIGHBOURS else "half",
    )
    window = fields.whole_or("attention.sliding_window", None, most=MOST_TOKENS)
    if window is not None:
        notes.doubt(f"attention.sliding_window {window}: which layers have it is not read")
    return PositionSpec(
        model=model,
        layers=(LayerSpec(encodings=(rotary,)),) * fields.whole("block_count", most=MAX_LAYERS),
        max_seq_len=fields.whole_or("context_length", None, most=MOST_TOKENS),
    )


def _scaling(fields: Fields, factors: Any, notes: Notes) -> Scaling | None:
    if factors is not None:  # how converters write Llama 3.1's scaling
        return stretch(factors=tuple(factors))
    kind = fields.get("rope.scaling.type", "none")
    if kind == "none":
        return None
    if kind == "linear":
        return linear(factor=fields.number("rope.scaling.factor"))
    if kind == "yarn":
        return yarn(
            factor=fields.number("rope.scaling.factor"),
            original_seq_len=fields.whole("rope.scaling.original_context_length", most=MOST_TOKENS),
        )
    raise notes.wrong(f"rope.scaling.type {kind!r} is not known; there are none, linear, yarn")


def _metadata(path: Path) -> dict[str, Any]:
    header = read_header(path)
    factors = header.floats(_FACTORS)
    return header.values if factors is None else {**header.values, _FACTORS: factors}
