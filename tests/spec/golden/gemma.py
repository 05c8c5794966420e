"""Gemma: local layers with windows, and global ones."""

from spec.golden.layer import rotary_layer

from phasor.rotary.rules import GeometricSpec, ProportionalSpec
from phasor.rotary.scaling import linear
from phasor.spec import RotarySpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def gemma_1() -> PositionSpec:
    """Gemma 7B: rotary over heads of 256 channels.

    Source:
        Config of `google/gemma-7b`.
    """
    return PositionSpec(model="Gemma 7B", layers=(rotary_layer(256),) * 28, max_seq_len=8192)


def gemma_2() -> PositionSpec:
    """Gemma 2 9B: every other layer has a window, the first among them.

    Source:
        Config of `google/gemma-2-9b`.
    """
    local, everywhere = rotary_layer(256, window=4096), rotary_layer(256)
    return PositionSpec(model="Gemma 2 9B", layers=(local, everywhere) * 21, max_seq_len=8192)


def gemma_3() -> PositionSpec:
    """Gemma 3 4B, text: five local layers, then one global with a larger base and stretched by 8.

    The factor belongs to the global layers alone, which the config does not say. The last four
    layers are local.

    Source:
        Config of `google/gemma-3-4b-it`.
    """
    local = rotary_layer(256, window=1024)
    everywhere = rotary_layer(256, base=1_000_000.0, scaling=linear(factor=8.0))
    return PositionSpec(
        model="Gemma 3 4B",
        layers=((local,) * 5 + (everywhere,)) * 5 + (local,) * 4,
        max_seq_len=131_072,
    )


def gemma_4() -> PositionSpec:
    """Gemma 4 31B, text: five local layers, then one whose heads are wider and turn by a quarter.

    In global layers the 64 fastest of the 256 pairs turn and the rest stand still. Scores are not
    scaled in any layer; queries and keys are normalised.

    Source:
        Config of `google/gemma-4-31b-it`, as MaxText's checkpoint converter states it; the rule is
        transformers' `Gemma4TextConfig`.
    """
    local = RotarySpec(head_dim=256, frequencies=GeometricSpec(rotary_dim=256))
    everywhere = RotarySpec(
        head_dim=512,
        frequencies=ProportionalSpec(head_dim=512, proportion=0.25, base=1_000_000.0),
    )
    local_layer = LayerSpec(encodings=(local,), window=1024, score_scale=1.0)
    global_layer = LayerSpec(encodings=(everywhere,), score_scale=1.0)
    return PositionSpec(
        model="Gemma 4 31B",
        layers=((local_layer,) * 5 + (global_layer,)) * 10,
        max_seq_len=262_144,
    )
