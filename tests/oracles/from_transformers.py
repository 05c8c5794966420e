"""Scalings as transformers computes them, by the parameters of models that use them."""

from collections.abc import Iterable

import torch
from oracles.subject import Case, Subject, float32_numbers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

LLAMA = {"head_dim": 128, "rope_theta": 10_000.0}
YARN_CASES: dict[str, dict[str, object]] = {
    "LLaMA 2 x8": {**LLAMA, "factor": 8.0, "original_max_position_embeddings": 4096},
    "LLaMA 2 x8, not truncated": {
        **LLAMA,
        "factor": 8.0,
        "original_max_position_embeddings": 4096,
        "truncate": False,
    },
    "LLaMA 2 x8, no gain": {
        **LLAMA,
        "factor": 8.0,
        "original_max_position_embeddings": 4096,
        "attention_factor": 1.0,
    },
    "LLaMA 2 x8, other turns": {
        **LLAMA,
        "factor": 8.0,
        "original_max_position_embeddings": 4096,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
    },
    "trained length over 2 pi times the base": {
        **LLAMA,
        "factor": 8.0,
        "original_max_position_embeddings": 131_072,
    },
    "factor 1": {**LLAMA, "factor": 1.0, "original_max_position_embeddings": 4096},
    "DeepSeek-V2": {
        "head_dim": 64,
        "rope_theta": 10_000.0,
        "factor": 40.0,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
    },
    "DeepSeek-V3": {
        "head_dim": 64,
        "rope_theta": 10_000.0,
        "factor": 40.0,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
    "two unequal mscales": {
        **LLAMA,
        "factor": 40.0,
        "original_max_position_embeddings": 4096,
        "mscale": 1.0,
        "mscale_all_dim": 0.5,
    },
    "mscale_all_dim 0": {
        **LLAMA,
        "factor": 40.0,
        "original_max_position_embeddings": 4096,
        "mscale": 0.707,
        "mscale_all_dim": 0.0,
    },
    "gpt-oss": {
        "head_dim": 64,
        "rope_theta": 150_000.0,
        "factor": 32.0,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": False,
    },
    "Qwen3 x4": {
        "head_dim": 128,
        "rope_theta": 1e6,
        "factor": 4.0,
        "original_max_position_embeddings": 32_768,
    },
    "Ministral 3": {
        "head_dim": 128,
        "rope_theta": 1e6,
        "factor": 16.0,
        "original_max_position_embeddings": 16_384,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
}


def case(
    rope_type: str,
    name: str,
    *,
    head_dim: int,
    max_position_embeddings: int = 4096,
    seq_len: int | None = None,
    **rope: object,
) -> Case:
    config = LlamaConfig(
        hidden_size=head_dim,
        num_attention_heads=1,
        head_dim=head_dim,
        max_position_embeddings=max_position_embeddings,
        rope_parameters={"rope_type": rope_type, **rope},
    )
    inv_freq, gain = ROPE_INIT_FUNCTIONS[rope_type](config, "cpu", seq_len=seq_len)
    return {
        "name": name,
        "head_dim": head_dim,
        "max_position_embeddings": max_position_embeddings,
        "seq_len": seq_len,
        "rope_parameters": rope,
        "attention_factor": float(gain),
        "inv_freq": float32_numbers(inv_freq.tolist()),
    }


def linear() -> Iterable[Case]:
    yield case("linear", "LLaMA x4", **LLAMA, factor=4.0)
    yield case("linear", "Gemma 3, global", head_dim=256, rope_theta=1e6, factor=8.0)


def dynamic_ntk() -> Iterable[Case]:
    for seq_len in (1, 4096, 4097, 8192, 100_000):
        yield case("dynamic", f"LLaMA x2 at {seq_len}", **LLAMA, factor=2.0, seq_len=seq_len)


def yarn() -> Iterable[Case]:
    for name, parameters in YARN_CASES.items():
        longest = parameters["factor"] * parameters["original_max_position_embeddings"]
        made = case("yarn", name, max_position_embeddings=int(longest), **parameters)
        if name.startswith("DeepSeek"):
            made["softmax_scale"] = deepseek_softmax_gain(parameters)
        yield made


def deepseek_softmax_gain(parameters: dict[str, object]) -> float:
    """From an attention layer of the model, since no config states it."""
    from transformers import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention

    rope = {key: value for key, value in parameters.items() if key != "head_dim"}
    config = DeepseekV3Config(
        hidden_size=64, num_attention_heads=1, rope_parameters={"rope_type": "yarn", **rope}
    )
    with torch.device("meta"):
        attention = DeepseekV3Attention(config, layer_idx=0)
    return attention.scaling * attention.qk_head_dim**0.5


def llama3() -> Iterable[Case]:
    for name, factor, head_dim in (("Llama 3.1", 8.0, 128), ("Llama 3.2 1B", 32.0, 64)):
        yield case(
            "llama3",
            name,
            head_dim=head_dim,
            max_position_embeddings=131_072,
            rope_theta=500_000.0,
            factor=factor,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=8192,
        )


def longrope() -> Iterable[Case]:
    """Phi-3's shape; the factors are made up, rising as Phi-3's do."""
    short = [round(1 + 0.03 * pair, 2) for pair in range(48)]
    long = [round(1 + 0.03 * pair**2, 2) for pair in range(48)]
    for name, seq_len in (("short", 4096), ("long", 4097)):
        yield case(
            "longrope",
            name,
            head_dim=96,
            max_position_embeddings=131_072,
            seq_len=seq_len,
            rope_theta=10_000.0,
            factor=32.0,
            original_max_position_embeddings=4096,
            short_factor=short,
            long_factor=long,
        )


def proportional() -> Iterable[Case]:
    yield case(
        "proportional",
        "Gemma 4, global",
        head_dim=512,
        rope_theta=1e6,
        partial_rotary_factor=0.25,
    )
    yield case(
        "proportional",
        "half of a head, x8",
        head_dim=64,
        rope_theta=10_000.0,
        partial_rotary_factor=0.5,
        factor=8.0,
    )


def subject(cases: object, rope_type: str, formula: str) -> Subject:
    return Subject(
        name=cases.__name__,
        source=f"transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS[{rope_type!r}], in float32",
        formula=formula,
        made_with=("transformers", "torch"),
        cases=cases,
        rounding=1e-6,
    )


SUBJECTS = (
    subject(linear, "linear", "w / s"),
    subject(dynamic_ntk, "dynamic", "b' = b (s l / L - (s - 1))^(d / (d - 2)), l = max(seq, L)"),
    subject(
        yarn,
        "yarn",
        "w (1 - r) + w r / s; r linear in the pair from that of beta_fast turns to that of "
        "beta_slow; softmax_scale: DeepSeek's attention layer over 1 / sqrt(head_dim)",
    ),
    subject(llama3, "llama3", "w / s if L / wavelength < low, w if > high, linear between"),
    subject(longrope, "longrope", "w / factor of each pair; gain sqrt(1 + ln s / ln L)"),
    subject(proportional, "proportional", "w / s for the first r d / 2 pairs, else 0"),
)
