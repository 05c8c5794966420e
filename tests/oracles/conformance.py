"""The golden tables that phasor ships for other projects' tests, from formulas in 60 digits."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
from mpmath import mpf
from oracles.formulas import omega, pair_that_turns
from oracles.subject import Case, Subject

FAR = (0, 1, 17, 1000, 4095, 8191, 65_537, 131_071, 1_048_575)
SHORT = [round(1 + 0.03 * pair, 2) for pair in range(48)]
LONG = [round(1 + 0.03 * pair**2, 2) for pair in range(48)]


@dataclass(frozen=True)
class Shipped(Subject):
    """A file that goes with the package."""

    @property
    def path(self) -> Path:
        return Path(__file__).parents[2] / "src" / "phasor" / "testing" / f"{self.name}.json"


def config(head_dim: int, longest: int, **rope: Any) -> dict[str, Any]:
    return {
        "head_dim": head_dim,
        "max_position_embeddings": longest,
        "rope_parameters": {"rope_type": "default", **rope},
    }


def yarn(base: float, factor: float, original: int, **more: Any) -> dict[str, Any]:
    return {
        "rope_type": "yarn",
        "rope_theta": base,
        "factor": factor,
        "original_max_position_embeddings": original,
        **more,
    }


def llama3(factor: float) -> dict[str, Any]:
    return {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": SHORT,
    "long_factor": LONG,
    "original_max_position_embeddings": 4096,
    "factor": 32.0,
}

CASES: tuple[tuple[str, str, dict[str, Any], tuple[int, ...]], ...] = (
    ("llama-2", "meta-llama/Llama-2-7b-hf", config(128, 4096, rope_theta=10_000.0), FAR),
    ("qwen3", "Qwen/Qwen3-8B", config(128, 40_960, rope_theta=1_000_000.0), FAR),
    (
        "gpt-neox",
        "EleutherAI/gpt-neox-20b: a quarter of each head turns",
        config(96, 2048, rope_theta=10_000.0, partial_rotary_factor=0.25),
        FAR,
    ),
    (
        "gemma-3-global",
        "google/gemma-3-4b-it, every sixth layer",
        config(256, 131_072, rope_type="linear", rope_theta=1_000_000.0, factor=8.0),
        FAR,
    ),
    (
        "gemma-4-global",
        "google/gemma-4-31b-it, every sixth layer: the 64 fastest of 256 pairs turn",
        config(
            512,
            262_144,
            rope_type="proportional",
            rope_theta=1_000_000.0,
            partial_rotary_factor=0.25,
        ),
        (1, 1000, 131_071),
    ),
    (
        "dynamic-ntk",
        "LLaMA 2 with dynamic NTK, a sequence of 8192 tokens",
        config(128, 2048, rope_type="dynamic", rope_theta=10_000.0, factor=2.0),
        (0, 1, 17, 1000, 4095, 8191),
    ),
    ("llama-3.1", "meta-llama/Llama-3.1-8B", config(128, 131_072, **llama3(8.0)), FAR),
    ("llama-3.2", "meta-llama/Llama-3.2-1B", config(64, 131_072, **llama3(32.0)), FAR),
    (
        "qwen2.5-yarn",
        "Qwen/Qwen2.5-7B-Instruct, with the YaRN of its model card",
        config(128, 131_072, **yarn(1_000_000.0, 4.0, 32_768)),
        FAR,
    ),
    (
        "gpt-oss",
        "openai/gpt-oss-20b: the ramp is not rounded to whole pairs",
        config(64, 131_072, **yarn(150_000.0, 32.0, 4096, truncate=False)),
        FAR,
    ),
    (
        "deepseek-v3",
        "deepseek-ai/DeepSeek-V3, the part of each head that turns; its gain is on the softmax",
        config(64, 163_840, **yarn(10_000.0, 40.0, 4096, mscale=1.0, mscale_all_dim=1.0)),
        FAR,
    ),
    (
        "yarn-clamp",
        "A trained length over 2 pi times the base, where cutting the ramp at d/2 - 1 shows",
        config(128, 1_048_576, **yarn(10_000.0, 8.0, 131_072)),
        FAR,
    ),
    (
        "longrope-short",
        "Phi-3's rule with made-up factors, a sequence of at most 4096 tokens",
        config(96, 131_072, **LONGROPE),
        (0, 1, 17, 1000, 4095),
    ),
    (
        "longrope-long",
        "Phi-3's rule with made-up factors, a sequence of more than 4096 tokens",
        config(96, 131_072, **LONGROPE),
        (0, 1, 17, 1000, 4095, 8191, 131_071),
    ),
)


def frequencies(given: dict[str, Any], length: int) -> tuple[list[mpf], mpf]:
    rope = given["rope_parameters"]
    kind, base = rope["rope_type"], rope["rope_theta"]
    part = rope.get("partial_rotary_factor", 1.0)
    if kind == "proportional":
        dim = given["head_dim"]
        turning = int(part * dim // 2)
        return [omega(p, dim, base) if p < turning else mpf(0) for p in range(dim // 2)], mpf(1)
    dim = int(given["head_dim"] * part)
    plain = [omega(pair, dim, base) for pair in range(dim // 2)]
    factor = mpf(rope.get("factor", 1))
    match kind:
        case "default":
            return plain, mpf(1)
        case "linear":
            return [speed / factor for speed in plain], mpf(1)
        case "dynamic":
            grown = factor * max(length, given["max_position_embeddings"])
            grown = grown / given["max_position_embeddings"] - (factor - 1)
            larger = base * grown ** (mpf(dim) / (dim - 2))
            return [omega(pair, dim, larger) for pair in range(dim // 2)], mpf(1)
        case "llama3":
            return [by_wavelength(speed, factor, rope) for speed in plain], mpf(1)
        case "longrope":
            original = rope["original_max_position_embeddings"]
            by = rope["long_factor" if length > original else "short_factor"]
            gain = mpmath.sqrt(1 + mpmath.log(factor) / mpmath.log(original))
            return [speed / mpf(slow) for speed, slow in zip(plain, by, strict=True)], gain
        case "yarn":
            return by_ramp(plain, dim, factor, rope), yarn_gain(factor, rope)
    raise AssertionError(kind)


def by_wavelength(speed: mpf, factor: mpf, rope: dict[str, Any]) -> mpf:
    turns = rope["original_max_position_embeddings"] * speed / (2 * mpmath.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = min(max((turns - low) / (high - low), mpf(0)), mpf(1))
    return (1 - kept) * speed / factor + kept * speed


def by_ramp(plain: list[mpf], dim: int, factor: mpf, rope: dict[str, Any]) -> list[mpf]:
    low, high = (
        pair_that_turns(times, dim, rope["rope_theta"], rope["original_max_position_embeddings"])
        for times in (32, 1)
    )
    if rope.get("truncate", True):
        low, high = mpmath.floor(low), mpmath.ceil(high)
    low, high = max(low, mpf(0)), min(high, mpf(dim - 1))
    shares = [min(max((pair - low) / (high - low), mpf(0)), mpf(1)) for pair in range(len(plain))]
    return [w * (1 - share) + w / factor * share for w, share in zip(plain, shares, strict=True)]


def yarn_gain(factor: mpf, rope: dict[str, Any]) -> mpf:
    def gain(mscale: float) -> mpf:
        return mpmath.log(factor) * mpf(mscale) / 10 + 1

    if rope.get("mscale") and rope.get("mscale_all_dim"):
        return gain(rope["mscale"]) / gain(rope["mscale_all_dim"])
    return gain(1)


def cases() -> Iterable[Case]:
    with mpmath.workdps(60):
        for name, source, given, positions in CASES:
            speeds, gain = frequencies(given, max(positions) + 1)
            yield {
                "name": name,
                "source": source,
                "config": given,
                "attention_factor": float(gain),
                "inv_freq": [float(speed) for speed in speeds],
                "positions": list(positions),
                "angles": [[reduced(at * speed) for speed in speeds] for at in positions],
            }


def reduced(angle: mpf) -> float:
    """Without whole turns, from -pi to pi; twelve digits."""
    turns = angle / (2 * mpmath.pi)
    return float(mpmath.nstr((turns - mpmath.nint(turns)) * 2 * mpmath.pi, 12))


SUBJECTS = (
    Shipped(
        "golden",
        "formulas of the papers and of the authors' code as in tests/oracles/conformance.py, in "
        "60 digits; the numbers of each config from its file on the Hugging Face Hub",
        "angles[position][pair] = position * inv_freq[pair], whole turns removed; cos and sin of "
        "it times attention_factor",
        ("mpmath",),
        cases,
        rounding=0.0,
    ),
)
