"""LLaMA and what descends from it: Mistral, Ministral, SmolLM."""

from dataclasses import replace

from spec.golden.layer import rotary_layer

from phasor.rotary.rules import GeometricSpec
from phasor.rotary.scaling import Scaling, llama3, yarn
from phasor.spec import QueryTemperatureSpec, RotarySpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def llama_1() -> PositionSpec:
    """LLaMA 7B: rotary over the whole head.

    The layout is that of the weights as converted for transformers; Meta's own files pair
    neighbours ("interleaved"). The same holds for LLaMA 2 and 3.

    Source:
        Touvron et al. 2023, arXiv:2302.13971, and transformers' `LlamaConfig`, whose defaults are
        this model.
    """
    return PositionSpec(model="LLaMA 7B", layers=(rotary_layer(128),) * 32, max_seq_len=2048)


def llama_2() -> PositionSpec:
    """LLaMA 2 7B: LLaMA with twice the length.

    Source:
        Config of `meta-llama/Llama-2-7b-hf`.
    """
    return PositionSpec(model="LLaMA 2 7B", layers=(rotary_layer(128),) * 32, max_seq_len=4096)


def llama_3_1() -> PositionSpec:
    """LLaMA 3.1 8B: a larger base, and long wavelengths stretched by 8.

    Source:
        Config of `meta-llama/Llama-3.1-8B`.
    """
    scaling = llama3(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_seq_len=8192)
    layer = rotary_layer(128, base=500_000.0, scaling=scaling)
    return PositionSpec(model="LLaMA 3.1 8B", layers=(layer,) * 32, max_seq_len=131_072)


def llama_4_maverick() -> PositionSpec:
    """Llama 4 Maverick, text: three rotary layers, then one without, whose queries grow instead.

    Neighbours are paired, also in the weights for transformers. Its rotary layers see the chunk of
    8192 tokens in which the query lies, which is no sliding window.

    Source:
        Meta's llama-models (Maverick uses no scaling of the frequencies) and transformers'
        `Llama4TextConfig`; `no_rope_layers` there is 1 where a layer does rotate.
    """
    layers = _llama_4_layers(None)
    return PositionSpec(model="Llama 4 Maverick", layers=layers, max_seq_len=1_048_576)


def llama_4_scout() -> PositionSpec:
    """Llama 4 Scout, text: as Maverick, with wavelengths beyond 8192 stretched by 16.

    Nothing lies between what is stretched and what is left alone.

    Source:
        Meta's llama-models (`rope_scaling_factor`, `rope_high_freq_factor`; the config for
        transformers was corrected to the same) and transformers' `Llama4TextConfig`.
    """
    scaling = llama3(factor=16.0, low_freq_factor=1.0, high_freq_factor=1.0, original_seq_len=8192)
    layers = _llama_4_layers(scaling)
    return PositionSpec(model="Llama 4 Scout", layers=layers, max_seq_len=10_485_760)


def mistral() -> PositionSpec:
    """Mistral 7B v0.1: LLaMA with a sliding window in every layer.

    Source:
        Config of `mistralai/Mistral-7B-v0.1`; Jiang et al. 2023, arXiv:2310.06825.
    """
    layer = rotary_layer(128, window=4096)
    return PositionSpec(model="Mistral 7B v0.1", layers=(layer,) * 32, max_seq_len=32_768)


def ministral_3() -> PositionSpec:
    """Ministral 3 8B, text: YaRN by 16, and queries that grow beyond the trained length.

    Equal `mscale` and `mscale_all_dim` cancel out on cos and sin, and unlike DeepSeek's its softmax
    is left alone.

    Source:
        Transformers' `Ministral3Config`, whose defaults are `mistralai/Ministral-3-8B-Base-2512`.
    """
    rotary = RotarySpec(
        head_dim=128,
        frequencies=GeometricSpec(rotary_dim=128, base=1_000_000.0),
        scaling=yarn(factor=16.0, original_seq_len=16_384, mscale=1.0, mscale_all_dim=1.0),
    )
    temperature = QueryTemperatureSpec(original_seq_len=16_384, coefficient=0.1)
    layer = LayerSpec(encodings=(rotary, temperature))
    return PositionSpec(model="Ministral 3 8B", layers=(layer,) * 34, max_seq_len=262_144)


def smollm_3() -> PositionSpec:
    """SmolLM3 3B: every fourth layer has no encoding.

    `no_rope_layers` in its config is 1 where a layer does rotate.

    Source:
        Config of `HuggingFaceTB/SmolLM3-3B`; its base of 5e6 is not the config class's default.
    """
    rotary, none = rotary_layer(128, base=5_000_000.0), LayerSpec()
    return PositionSpec(
        model="SmolLM3 3B", layers=(rotary, rotary, rotary, none) * 9, max_seq_len=65_536
    )


def _llama_4_layers(scaling: Scaling | None) -> tuple[LayerSpec, ...]:
    rotary = rotary_layer(128, base=500_000.0, layout="interleaved", scaling=scaling)
    local = replace(rotary, chunk=8192)
    temperature = QueryTemperatureSpec(original_seq_len=8192, coefficient=0.1, offset=1)
    return (local, local, local, LayerSpec(encodings=(temperature,))) * 12
