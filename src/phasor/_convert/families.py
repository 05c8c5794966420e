"""Which tensors of which models hold channels that turn: one table."""

from dataclasses import dataclass
from typing import Literal

from phasor.rotary.layout import Layout

PairLayout = Literal["half", "interleaved", "half-reversed"]
# What a layout is: which channels pair, and whether the model turns by minus the angle.
PAIR_LAYOUTS: dict[PairLayout, tuple[Layout, bool]] = {
    "half": ("half", False),
    "interleaved": ("interleaved", False),
    "half-reversed": ("half", True),
}

Part = Literal["query", "key", "latent", "stacked", "grouped", "quartered", "norm", "still"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models whose attention is built and named alike.

    Args:
        model_types: As `config.json` calls them.
        layout: Which channels pair in the code that these names belong to.
        attention: The path of an attention module, as a regular expression.
        modules: What each module in there is, by a regular expression: a projection of the
            `"query"` or `"key"`, one of query, key and value `"stacked"` or `"grouped"` as
            `convert_fused` has it or `"quartered"` (CodeGen: a quarter of the heads at a time,
            query, value, key), a `"latent"` with the key that all heads share (MLA), a `"norm"`
            over channels of query or key, or `"still"`.
        partial: Whether a part of each head may turn, as its configuration says.
        layer_norm: Whether a norm of query and key, if there is one, removes the mean. A reversal
            then belongs to its gain and bias, otherwise to the projection: never to both.
        trailing: Whether the channels that turn are the last ones of a head, and of a latent.
        rotation: The function of transformers that turns them.
    """

    model_types: tuple[str, ...]
    layout: PairLayout
    attention: str
    modules: tuple[tuple[str, Part], ...]
    partial: bool = False
    layer_norm: bool = False
    trailing: bool = False
    rotation: str = "apply_rotary_pos_emb"


# What PEFT puts around a transformers model.
_ADAPTER = r"(?:base_model\.model\.)?"
_LLAMA = _ADAPTER + r"(?:model\.)?layers\.\d+\.self_attn"
_BUFFERS: tuple[tuple[str, Part], ...] = (
    (r"rotary_emb\.inv_freq", "still"),
    (r"(?:bias|masked_bias|causal_mask)", "still"),
)
_SEPARATE: tuple[tuple[str, Part], ...] = (
    (r"q_proj", "query"),
    (r"k_proj", "key"),
    (r"v_proj|o_proj|dense|out_proj", "still"),
    (r"[qk]_norm|[qk]_layernorm(?:\.norms\.\d+)?", "norm"),
    *_BUFFERS,
)
_LATENT: tuple[tuple[str, Part], ...] = (
    (r"q_proj|q_b_proj", "query"),
    (r"kv_a_proj_with_mqa", "latent"),
    (r"q_a_proj|q_a_layernorm|kv_a_layernorm|kv_b_proj|o_proj", "still"),
    *_BUFFERS,
)

META = Family(
    model_types=(),
    layout="interleaved",
    attention=r"layers\.\d+\.attention",
    modules=((r"wq", "query"), (r"wk", "key"), (r"wv|wo", "still"), (r"inner_attention", "still")),
)

FAMILIES = (
    Family(
        model_types=(
            "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma",
            "gemma2", "gemma3_text", "olmo", "olmo2", "olmo3", "starcoder2", "granite", "smollm3",
            "arcee", "seed_oss",
        ),
        layout="half",
        attention=_LLAMA,
        modules=_SEPARATE,
    ),
    Family(
        model_types=("phi", "stablelm", "nemotron"),
        layout="half",
        attention=_LLAMA,
        modules=_SEPARATE,
        partial=True,
        layer_norm=True,
    ),
    Family(
        model_types=("helium", "ernie4_5", "cohere2"),
        layout="interleaved",
        attention=_LLAMA,
        modules=_SEPARATE,
    ),
    Family(
        model_types=("cohere",),
        layout="interleaved",
        attention=_LLAMA,
        modules=_SEPARATE,
        layer_norm=True,
    ),
    Family(
        model_types=("glm", "glm4"),
        layout="interleaved",
        attention=_LLAMA,
        modules=_SEPARATE,
        partial=True,
    ),
    Family(
        model_types=("nanochat",),
        layout="half-reversed",
        attention=_LLAMA,
        modules=_SEPARATE,
    ),
    Family(
        model_types=("phi3",),
        layout="half",
        attention=_LLAMA,
        modules=((r"qkv_proj", "stacked"), (r"o_proj", "still"), *_BUFFERS),
        partial=True,
    ),
    Family(
        model_types=("persimmon",),
        layout="half",
        attention=_LLAMA,
        modules=(
            (r"query_key_value", "grouped"),
            (r"dense", "still"),
            (r"[qk]_layernorm", "norm"),
            *_BUFFERS,
        ),
        partial=True,
        layer_norm=True,
    ),
    Family(
        model_types=("gpt_neox",),
        layout="half",
        attention=_ADAPTER + r"(?:gpt_neox\.)?layers\.\d+\.attention",
        modules=((r"query_key_value", "grouped"), (r"dense", "still"), *_BUFFERS),
        partial=True,
    ),
    Family(
        model_types=("falcon",),
        layout="half",
        attention=_ADAPTER + r"(?:transformer\.)?h\.\d+\.self_attention",
        modules=((r"query_key_value", "grouped"), (r"dense", "still"), *_BUFFERS),
    ),
    Family(
        model_types=("gptj",),
        layout="interleaved",
        attention=_ADAPTER + r"(?:transformer\.)?h\.\d+\.attn",
        modules=_SEPARATE,
        partial=True,
    ),
    Family(
        model_types=("codegen",),
        layout="interleaved",
        attention=_ADAPTER + r"(?:transformer\.)?h\.\d+\.attn",
        modules=((r"qkv_proj", "quartered"), (r"out_proj", "still"), *_BUFFERS),
        partial=True,
    ),
    Family(
        model_types=("deepseek_v3", "glm4_moe_lite", "youtu"),
        layout="interleaved",
        attention=_LLAMA,
        modules=_LATENT,
        trailing=True,
        rotation="apply_rotary_pos_emb_interleave",
    ),
    Family(
        model_types=("deepseek_v2",),
        layout="interleaved",
        attention=_LLAMA,
        modules=_LATENT,
        trailing=True,
        rotation="apply_rotary_emb",
    ),
    Family(
        model_types=("minicpm3",),
        layout="half",
        attention=_LLAMA,
        modules=_LATENT,
        trailing=True,
    ),
)  # fmt: skip

# Known architectures whose rows are cut otherwise than any of these.
_GATED = "a query projection holds a gate beside each head"
_UNEVEN = "layers have heads of different widths, and some have no key or value of their own"
NOT_CONVERTED = {
    "qwen3_next": _GATED,
    "qwen3_5_text": _GATED,
    "qwen3_5_moe_text": _GATED,
    "gemma4_text": _UNEVEN,
    "gemma4_unified_text": _UNEVEN,
    "gemma3n_text": "some layers take their keys and values from others",
}

BY_MODEL_TYPE = {name: family for family in FAMILIES for name in family.model_types}

# Of a module that turns: which of its tensors have its rows as their first dimension.
ROWS = (
    ".weight",
    ".bias",
    ".lora_B.weight",
    ".lora_B.bias",
    ".lora_magnitude_vector",
    ".lora_magnitude_vector.weight",
)
COLUMNS = (".lora_A.weight",)
