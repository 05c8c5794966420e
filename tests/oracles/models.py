"""The rotary modules of vision-language models in transformers, made small."""

from dataclasses import dataclass
from importlib import import_module

from torch import Tensor, nn

Table = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TextModel:
    """A module from positions `[axes, batch, length]` to tables of cos and sin over a head of 128.

    The tables hold each pair twice, in `"halves"` or as `"neighbours"`. `sections` are those of the
    model's config.
    """

    name: str
    package: str
    config: str
    embedding: str
    base: float
    sections: tuple[int, ...]
    doubled: str = "halves"

    def module(self) -> nn.Module:
        package = f"transformers.models.{self.package}"
        config = getattr(import_module(f"{package}.configuration_{self.package}"), self.config)
        embedding = getattr(import_module(f"{package}.modeling_{self.package}"), self.embedding)
        rope = {"rope_theta": self.base, "mrope_section": list(self.sections)}
        return embedding(
            config(
                hidden_size=256,
                num_attention_heads=2,
                head_dim=128,
                rope_parameters={"rope_type": "default", **rope},
            )
        )


TEXT_MODELS = {
    model.name: model
    for model in (
        TextModel(
            name="Qwen2-VL",
            package="qwen2_vl",
            config="Qwen2VLTextConfig",
            embedding="Qwen2VLRotaryEmbedding",
            base=1e6,
            sections=(16, 24, 24),
        ),
        TextModel(
            name="Qwen3-VL",
            package="qwen3_vl",
            config="Qwen3VLTextConfig",
            embedding="Qwen3VLTextRotaryEmbedding",
            base=5e6,
            sections=(24, 20, 20),
        ),
        TextModel(
            name="Ernie 4.5 VL",
            package="ernie4_5_vl_moe",
            config="Ernie4_5_VLMoeTextConfig",
            embedding="Ernie4_5_VLMoeTextRotaryEmbedding",
            base=500_000.0,
            sections=(22, 22, 20),
            doubled="neighbours",
        ),
    )
}
