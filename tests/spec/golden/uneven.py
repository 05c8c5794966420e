"""A model whose rotary code went astray before its weights were trained."""

from phasor.rotary.rules import AxialSpec
from phasor.spec import UnevenRotarySpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def vjepa_2() -> PositionSpec:
    """V-JEPA 2, ViT-L, with its predictor as a tower: neighbours are paired in a tiled table.

    Positions are frame, row and column; of 64 channels each axis has 20, of 32 it has 10.

    Source:
        Config of `facebook/vjepa2-vitl-fpc64-256`; Assran et al. 2025, arXiv:2506.09985, and the
        authors' code.
    """
    encoder, predictor = (
        LayerSpec(
            encodings=(
                UnevenRotarySpec(
                    head_dim=head_dim,
                    frequencies=AxialSpec(rotary_dim=head_dim // 6 * 6, axes=3),
                    blocks=3,
                    layout="interleaved",
                ),
            )
        )
        for head_dim in (64, 32)
    )
    tower = PositionSpec(model="predictor", layers=(predictor,) * 12, causal=False)
    return PositionSpec(
        model="V-JEPA 2 ViT-L", layers=(encoder,) * 24, causal=False, towers=(tower,)
    )
