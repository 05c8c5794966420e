"""Which pair turns with which axis, seen by moving along one axis at a time."""

from collections.abc import Iterable

import torch
from oracles.models import TEXT_MODELS, Table
from oracles.subject import Case, Subject, float32_numbers
from torch import Tensor


def angles_by_axis(tables: Iterable[Table], *, doubled: str) -> Tensor:
    """`[axes, pairs]` from one table of cos and sin for a step along each axis."""
    angles = torch.stack([torch.atan2(sin.double(), cos.double()).flatten() for cos, sin in tables])
    pairs = angles.shape[1] // 2
    if doubled == "halves":
        first, second = angles[:, :pairs], angles[:, pairs:]
    else:
        first, second = angles[:, 0::2], angles[:, 1::2]
    assert torch.equal(first, second), "the two channels of a pair turn by different angles"
    return first


def case(name: str, angles: Tensor, **parameters: object) -> Case:
    turning = angles != 0
    assert bool((turning.sum(0) == 1).all()), "a pair turns with several axes or with none"
    return {
        "name": name,
        **parameters,
        "axis": turning.int().argmax(0).tolist(),
        "inv_freq": float32_numbers(angles.sum(0).tolist()),
    }


def steps(axes: int) -> Iterable[Tensor]:
    for axis in range(axes):
        positions = torch.zeros(axes, 1, 1, dtype=torch.long)
        positions[axis] = 1
        yield positions


def sections() -> Iterable[Case]:
    from transformers.models.neomme.configuration_neomme import NeoMMEConfig
    from transformers.models.neomme.modeling_neomme import NeoMMERotaryEmbedding

    for name, model in TEXT_MODELS.items():
        module = model.module()
        tables = (module(torch.zeros(1), step) for step in steps(len(model.sections)))
        angles = angles_by_axis(tables, doubled=model.doubled)
        yield case(
            name,
            angles,
            head_dim=128,
            rope_theta=model.base,
            mrope_section=list(model.sections),
        )
    neomme = NeoMMERotaryEmbedding(NeoMMEConfig())
    tables = (neomme(torch.zeros(1), step, "sliding_attention") for step in steps(2))
    angles = angles_by_axis(tables, doubled="halves")
    yield case("NeoMME", angles, head_dim=64, rope_theta=10_000.0, mrope_section=[16, 16])


def axial() -> Iterable[Case]:
    from transformers import DINOv3ViTConfig, PixtralVisionConfig
    from transformers.models.dinov3_vit.modeling_dinov3_vit import DINOv3ViTRopePositionEmbedding
    from transformers.models.pixtral.modeling_pixtral import PixtralVisionRotaryEmbedding
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLVisionRotaryEmbedding

    for name, module, config in (
        (
            "Qwen2-VL, vision",
            Qwen2VLVisionRotaryEmbedding,
            Qwen2VLVisionConfig(embed_dim=160, num_heads=2),
        ),
        (
            "Pixtral, vision",
            PixtralVisionRotaryEmbedding,
            PixtralVisionConfig(hidden_size=128, num_attention_heads=2),
        ),
    ):
        made = module(config)
        tables = (made(torch.zeros(1), step[None, :, :, 0]) for step in steps(2))
        angles = angles_by_axis(tables, doubled="halves")
        base = config.rope_parameters["rope_theta"]
        yield case(name, angles, rotary_dim=2 * angles.shape[1], rope_theta=base)

    config = DINOv3ViTConfig(hidden_size=128, num_attention_heads=2, patch_size=16)
    dinov3 = DINOv3ViTRopePositionEmbedding(config).eval()
    # Of four patches in a row, the third has its centre a quarter from the middle, where no angle
    # is past half a turn; the other axis is at 0.
    images = (torch.zeros(1, 3, 64, 16), torch.zeros(1, 3, 16, 64))
    tables = ([table[2] for table in dinov3(image)] for image in images)
    angles = 4 * angles_by_axis(tables, doubled="halves")
    yield case("DINOv3", angles, rotary_dim=64, rope_theta=config.rope_theta)


def hunyuan_vl() -> Iterable[Case]:
    from transformers.models.hunyuan_vl.configuration_hunyuan_vl import HunYuanVLTextConfig
    from transformers.models.hunyuan_vl.modeling_hunyuan_vl import HunYuanVLRotaryEmbedding

    sizes = [16, 16, 16, 16]
    config = HunYuanVLTextConfig(
        hidden_size=256,
        num_attention_heads=2,
        head_dim=128,
        rope_parameters={
            "rope_type": "xdrope",
            "rope_theta": 10_000.0,
            "alpha": 1000.0,
            "factor": 1.0,
            "xdrope_section": sizes,
        },
    )
    module = HunYuanVLRotaryEmbedding(config)
    angles = torch.stack(
        [
            torch.atan2(sin, cos).flatten()
            for cos, sin in (module(torch.zeros(1), step) for step in steps(4))
        ]
    )
    yield {
        "name": "HunYuan-VL",
        "head_dim": 128,
        "rope_theta": 10_000.0,
        "alpha": 1000.0,
        "xdrope_section": sizes,
        "axis_of_channel": (angles != 0).int().argmax(0).tolist(),
        "inv_freq": float32_numbers(module.inv_freq.tolist()),
    }


SUBJECTS = (
    Subject(
        name="sections",
        source="rotary modules of transformers, at position 1 on one axis and 0 on the others",
        formula="axis: which of the positions turns a pair; inv_freq: by how much, in float32. "
        "mrope_section as configs have it: Ernie's is height, width, time",
        made_with=("transformers", "torch"),
        cases=sections,
        rounding=2e-6,
    ),
    Subject(
        name="axial",
        source="vision rotary modules of transformers, moved along one axis at a time",
        formula="axis (height, width) and inv_freq of each pair; DINOv3's per unit of coordinates "
        "from -1 to 1",
        made_with=("transformers", "torch"),
        cases=axial,
        rounding=2e-6,
    ),
    Subject(
        name="hunyuan_vl",
        source="transformers' HunYuanVLRotaryEmbedding: an oracle of ntk_alpha, and evidence that "
        "its axes make no rotation",
        formula="axis_of_channel: of all head_dim channels, channel i and i + head_dim / 2 being a "
        "pair; inv_freq: base b alpha^(d / (d - 2))",
        made_with=("transformers", "torch"),
        cases=hunyuan_vl,
        rounding=1e-6,
    ),
)
