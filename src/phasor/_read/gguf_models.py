"""What no GGUF file states: how llama.cpp uses the metadata of each architecture.

Each row says what differs from the defaults of `GGUFModel`. The facts are those of llama.cpp:
`llama_model_rope_type` in `src/llama-model.cpp` for the layout, and the file of that architecture
in `src/models` for the rest. Architectures that are not here are refused by name.
"""

from dataclasses import dataclass, replace
from typing import Literal

from phasor.rotary.axes import SectionOrder
from phasor.rotary.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Which layers see a part of the sequence only (`load_swa_pattern` in `src/llama-model.cpp`).

    Attributes:
        pattern: Of so many layers one sees everything, if the file does not say; 0: none does;
            `None`: the file must say.
        dense_first: Whether that is the first of them, or the last.
        kind: What the number counts: tokens back to the query's own (`"standard"`), tokens to both
            sides in halves (`"symmetric"`), or those of a block (`"chunked"`).
        size: What holds if the file does not say; without it, there is no window then.
        size_needed: Whether the file must say it.
        given_size: Whether the file's number counts, or `size` always.
        only_layers: The number of layers of the one model that has windows.
        base: What they turn by if the file does not say; `None` for the other layers' base.
        scaled: Whether their frequencies are scaled as those of the other layers.
    """

    pattern: int | None
    dense_first: bool = False
    kind: Literal["standard", "symmetric", "chunked"] = "standard"
    size: int | None = None
    size_needed: bool = False
    given_size: bool = True
    only_layers: int | None = None
    base: float | None = None
    scaled: bool = True


@dataclass(frozen=True, kw_only=True)
class GGUFModel:
    """One row.

    Attributes:
        layout: Which channels form a pair; `None` where nothing turns.
        sections: Order of the sections of several axes.
        sections_needed: Whether the file must have them; where it need not and has them, pairs are
            halves (GLM-4 with images).
        trailing: Whether the last channels of a head turn, not the first.
        factors: Tensors of factors on the frequencies that are read: `"freqs"`, and `"long"` for
            both lists of LongRoPE; `"long if"`: by `rope.scaling.type` one or the other.
        factors_of: `"dense"`: layers with a window do without.
        windows: Of its layers.
        windows_left_out: Whether llama.cpp knows of them and lets every layer see everything.
        rotates: `"all"` layers; `"windowed"` ones, or all if none has a window; `"step:4"`, all but
            every fourth; `"layers:32"`, all in a model of so many layers, else none; `"switch"`, by
            `rope.scaling.finetuned`.
        alibi: `"always"`; `"key"`, by `attention.max_alibi_bias`; or `"layers:40"`.
        embedding: A table of positions: `"always"`, or `"tensor"`, where the file has one.
        causal: What holds if the file does not say.
        scale: Of scores: `"key"`, by `attention.scale`; `"width:46"`, by the width over the heads
            in a model of so many layers; or a number.
        mla: Whether the softmax is scaled with YaRN's gain and heads are of `key_length_mla`.
        log_multiplier: What `yarn_log_multiplier` holds of mscale_all_dim; `None`: it is not read.
        mscale_is_multiplier: Whether DeepSeek's mscale is its mscale_all_dim, or 1.
        yarn_betas: Whether `yarn_beta_fast` and `yarn_beta_slow` are read.
        temperature: Of queries: `"key"`, with the trained length; `"length"`, with a key for the
            length; or `"llama4"`.
    """

    layout: Layout | None = "half"
    sections: SectionOrder | None = None
    sections_needed: bool = True
    trailing: bool = False
    factors: tuple[str, ...] = ()
    factors_of: Literal["all", "dense"] = "all"
    windows: Windows | None = None
    windows_left_out: bool = False
    rotates: str = "all"
    alibi: str | None = None
    embedding: Literal["always", "tensor"] | None = None
    causal: bool = True
    scale: str | float | None = None
    mla: bool = False
    log_multiplier: float | None = None
    mscale_is_multiplier: bool = False
    yarn_betas: bool = False
    temperature: Literal["key", "length", "llama4"] | None = None


_NEIGHBOURS = GGUFModel(layout="interleaved")
_HALVES = GGUFModel()
_STILL = GGUFModel(layout=None)

_LLAMA = replace(_NEIGHBOURS, factors=("freqs", "long if"))
_DEEPSEEK = GGUFModel(
    layout="interleaved", trailing=True, mla=True, log_multiplier=0.1, temperature="length"
)

# fmt: off
GGUF_MODELS: dict[str, GGUFModel] = {
    **dict.fromkeys((
        "arctic", "chatglm", "command-r", "deepseek", "ernie4_5", "internlm2", "olmo", "xverse",
    ), _NEIGHBOURS),
    **dict.fromkeys((
        "bitnet", "codeshell", "dbrx", "eurobert", "falcon", "gemma", "gptneox", "jina-bert-v3",
        "nemotron", "nomic-bert", "nomic-bert-moe", "olmoe", "orion", "phi2",
        "plamo", "qwen", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "seed_oss", "stablelm",
        "starcoder2",
    ), _HALVES),
    "llama": _LLAMA,
    "deci": _LLAMA,
    "minicpm": _LLAMA,
    "arcee": replace(_NEIGHBOURS, factors=("freqs",)),
    "exaone": replace(_HALVES, factors=("freqs",)),
    "apertus": replace(_HALVES, factors=("freqs", "long if")),
    "granite": replace(_LLAMA, scale="key", rotates="switch"),
    "granitemoe": replace(_LLAMA, scale="key"),
    "smollm3": replace(_NEIGHBOURS, rotates="step:4"),
    # Their files are converted with the windows that they have; phi3.cpp says that it drops them.
    "phi3": replace(_HALVES, factors=("long",), windows_left_out=True),
    "phimoe": replace(_HALVES, factors=("long",)),
    "minicpm3": replace(_HALVES, trailing=True, factors=("long",)),
    # ministral3's mscale_all_dim stands as it is, DeepSeek's by a tenth.
    "mistral3": replace(_LLAMA, log_multiplier=1.0, yarn_betas=True, temperature="key"),
    "mistral4": _DEEPSEEK,
    "deepseek2": replace(_DEEPSEEK, mscale_is_multiplier=True),
    "llama4": replace(
        _NEIGHBOURS, factors=("freqs",), rotates="step:4", temperature="llama4",
        windows=Windows(pattern=4, kind="chunked", size=8192, given_size=False),
    ),
    "glm4": replace(_NEIGHBOURS, sections="chunked", sections_needed=False),
    "glm4moe": replace(_HALVES, sections="chunked", sections_needed=False),
    "qwen2vl": replace(_HALVES, sections="chunked"),
    "qwen3vl": replace(_HALVES, sections="interleaved"),
    "qwen3vlmoe": replace(_HALVES, sections="interleaved"),
    "gemma2": replace(_HALVES, windows=Windows(pattern=2, size=4096), scale="width:46"),
    "gemma3": replace(
        _HALVES, windows=Windows(pattern=6, base=10_000.0, scaled=False), scale="width:62"
    ),
    "gemma3n": replace(
        _HALVES, windows=Windows(pattern=5, size_needed=True, base=10_000.0, scaled=False),
        scale=1.0,
    ),
    "gemma4": replace(
        _HALVES, factors=("freqs",), factors_of="dense", scale=1.0,
        windows=Windows(pattern=None, size_needed=True, base=10_000.0, scaled=False),
    ),
    "gemma-embedding": replace(
        _HALVES, causal=False,
        windows=Windows(
            pattern=6, kind="symmetric", size_needed=True, base=10_000.0, scaled=False
        ),
    ),
    "gpt-oss": replace(_HALVES, windows=Windows(pattern=2, size_needed=True)),
    "olmo2": replace(_HALVES, windows=Windows(pattern=4, scaled=False)),
    "cohere2": replace(
        _NEIGHBOURS, windows=Windows(pattern=4, size_needed=True), rotates="windowed"
    ),
    "exaone4": replace(
        _HALVES, factors=("freqs",), rotates="windowed",
        windows=Windows(pattern=4, size=4096, only_layers=64),
    ),
    "lfm2": replace(_HALVES, windows=Windows(pattern=0)),
    "lfm2moe": replace(_HALVES, windows=Windows(pattern=0)),
    "modern-bert": replace(
        _HALVES,
        windows=Windows(
            pattern=3, dense_first=True, kind="symmetric", base=10_000.0, scaled=False
        ),
    ),
    "baichuan": replace(_NEIGHBOURS, rotates="layers:32", alibi="layers:40"),
    "bloom": replace(_STILL, alibi="always"),
    "refact": replace(_STILL, alibi="always"),
    "jina-bert-v2": replace(_STILL, alibi="always"),
    "mpt": replace(_STILL, alibi="key", embedding="tensor"),
    "jais": replace(_STILL, alibi="key"),
    "gpt2": replace(_STILL, embedding="always"),
    "starcoder": replace(_STILL, embedding="always"),
    "bert": replace(_STILL, embedding="always"),
}
# fmt: on
"""By `general.architecture`."""
