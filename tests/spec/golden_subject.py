"""A golden spec beside what transformers builds from the published config."""

from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from spec.golden import GOLDEN
from torch import Tensor, nn
from torch.testing import assert_close

from phasor.encoding import PositionEncoding
from phasor.rotary.scaling import YaRN
from phasor.spec import PositionSpec, RotarySpec


@dataclass(frozen=True)
class Published:
    """A checkpoint's `config.json`, as far as it is about position.

    `prefix` is that of the classes in transformers' folder `folder`.
    """

    name: str
    folder: str
    prefix: str
    config: dict[str, Any] = field(hash=False)

    @property
    def spec(self) -> PositionSpec:
        return GOLDEN[self.name]()

    @property
    def modeling(self) -> ModuleType:
        return import_module(f"transformers.models.{self.folder}.modeling_{self.folder}")

    def their_config(self) -> Any:
        configuration = import_module(
            f"transformers.models.{self.folder}.configuration_{self.folder}"
        )
        return getattr(configuration, f"{self.prefix}Config")(**self.config)

    def their_rotary(self, config: Any) -> nn.Module:
        return getattr(self.modeling, f"{self.prefix}RotaryEmbedding")(config)

    def their_attention(self, config: Any, layer: int) -> Any:
        with torch.device("meta"):
            return getattr(self.modeling, f"{self.prefix}Attention")(config, layer)

    def __str__(self) -> str:
        return self.name


def some_positions(max_seq_len: int) -> Tensor:
    return torch.tensor([0, 1, 7, 1000, max_seq_len - 1])


def query_and_key(head_dim: int, seq: int = 5, heads: int = 2) -> tuple[Tensor, Tensor]:
    query, key = torch.randn(2, 1, heads, seq, head_dim)
    return query, key


def check_turned(found: Tensor, expected: Tensor, positions: Tensor) -> None:
    """Equal up to what float32 frequencies, two roundings apart, do at each position."""
    for at, position in enumerate(positions.reshape(len(positions), -1).amax(-1).tolist()):
        atol = 1e-5 + 4e-7 * position
        assert_close(found[..., at, :], expected[..., at, :], rtol=0, atol=atol)


def check_frequencies(encoding: PositionEncoding, inv_freq: Tensor) -> None:
    """Each pair's, far more finely than any one position shows."""
    found = encoding.frequencies.inv_freq.sum(0)  # type: ignore[union-attr]
    assert_close(found, inv_freq.double(), rtol=1e-6, atol=0)


def check_numbers_of_yarn(stated: RotarySpec, parameters: dict[str, Any]) -> None:
    """Those that rounding the ramp to whole pairs may hide from the frequencies."""
    if parameters["rope_type"] != "yarn":
        return
    assert isinstance(stated.scaling, YaRN)
    assert stated.scaling.original_seq_len == parameters["original_max_position_embeddings"]
    assert stated.scaling.beta_fast == parameters.get("beta_fast", 32)
    assert stated.scaling.beta_slow == parameters.get("beta_slow", 1)
