"""Golden tables: frozen numbers of models and of constructed configs, with their origin."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class GoldenRotary:
    """One rotary encoding, exactly.

    Args:
        name: Of the case.
        source: The model whose config this is, or that it was constructed.
        provenance: How the numbers were made.
        config: As in a `config.json` of transformers 5: `head_dim`, `max_position_embeddings`, and
            `rope_parameters` with all else.
        attention_factor: Gain on cos and sin.
        inv_freq: Of each pair, radians per token, fastest first.
        positions: That the angles are for; the sequence is as long as the last of them says.
        angles: In radians, whole turns removed: a row for each position.
    """

    name: str
    source: str
    provenance: str
    config: dict[str, Any]
    attention_factor: float
    inv_freq: tuple[float, ...]
    positions: tuple[int, ...]
    angles: tuple[tuple[float, ...], ...]

    @property
    def kind(self) -> str:
        """Its `rope_type`."""
        return str(self.config["rope_parameters"]["rope_type"])

    @property
    def pairs(self) -> int:
        """Number of pairs of channels."""
        return len(self.inv_freq)

    def cos_sin(self) -> tuple[Tensor, Tensor]:
        """Tables `[positions, pairs]`, float64."""
        angles = torch.tensor(self.angles, dtype=torch.float64, device="cpu")
        return angles.cos() * self.attention_factor, angles.sin() * self.attention_factor

    def __str__(self) -> str:
        return self.name


@cache
def golden_cases() -> tuple[GoldenRotary, ...]:
    """All of them.

    Examples:
        >>> from phasor.testing import golden_cases
        >>> [case.name for case in golden_cases() if case.kind == "llama3"]
        ['llama-3.1', 'llama-3.2']
    """
    text = files("phasor.testing").joinpath("golden.json").read_text(encoding="utf-8")
    found = json.loads(text)
    return tuple(
        GoldenRotary(
            name=case["name"],
            source=case["source"],
            provenance=found["source"],
            config=case["config"],
            attention_factor=case["attention_factor"],
            inv_freq=tuple(case["inv_freq"]),
            positions=tuple(case["positions"]),
            angles=tuple(map(tuple, case["angles"])),
        )
        for case in found["cases"]
    )
