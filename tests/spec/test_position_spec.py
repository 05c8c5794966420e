"""What a spec refuses, builds, and says of another."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor import scaling
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.spec import (
    ALiBiSpec,
    GeometricSpec,
    LayerSpec,
    LearnedSpec,
    PositionSpec,
    QueryTemperatureSpec,
    RotarySpec,
    SectionsSpec,
    T5BiasSpec,
)

LOCAL = RotarySpec(head_dim=8, frequencies=GeometricSpec(rotary_dim=8))
FAR = RotarySpec(
    head_dim=8,
    frequencies=GeometricSpec(rotary_dim=8, base=1e6),
    scaling=scaling.linear(factor=8),
)


def of(*encodings: object, **more: object) -> LayerSpec:
    return LayerSpec(encodings=encodings, **more)  # type: ignore[arg-type]


class TestBuilds:
    def test_layers_as_they_say(self) -> None:
        spec = PositionSpec(
            model="mine",
            layers=(of(LOCAL, window=512), of(FAR, QueryTemperatureSpec(original_seq_len=4)), of()),
            embedding=LearnedSpec(num_positions=16, dim=32),
        )
        encodings = spec.encodings()
        local, far, none = encodings
        assert isinstance(encodings.embedding, phasor.Learned)
        assert isinstance(none, phasor.NoPE)
        query, key = torch.randn(2, 1, 2, 10, 8, dtype=torch.float64)
        positions = torch.arange(10)
        wanted, _ = phasor.rotate(query, key, positions, phasor.geometric(8))
        found, _ = local.rotate(query, key, local.prepare(positions, dtype=torch.float64))
        assert_close(found, wanted)
        wanted, _ = phasor.rotate(query, key, positions / 8.0, phasor.geometric(8, 1e6))
        gain = 1 + 0.1 * (1 + positions // 4).double().log()
        found, _ = far.rotate(query, key, far.prepare(positions, dtype=torch.float64))
        assert_close(found, wanted * gain[:, None])

    def test_precision_of_the_angles(self) -> None:
        spec = PositionSpec(model="mine", layers=(of(LOCAL),))
        query, positions = torch.randn(1, 1, 1, 8), torch.tensor([10**7])
        for precision in ("exact", "float32"):
            encoding = spec.encodings(precision=precision)[0]
            found, _ = encoding.rotate(query, None, encoding.prepare(positions))
            wanted, _ = phasor.rotate(
                query, None, positions, phasor.geometric(8), precision=precision
            )
            assert_close(found, wanted)

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_table_for_all_layers_or_one_for_each(self, shared: bool) -> None:
        layer = of(T5BiasSpec(num_heads=4, shared=shared), score_scale=1.0)
        encodings = PositionSpec(model="t5", layers=(layer,) * 3).encodings()
        assert len(list(encodings.parameters())) == (1 if shared else 3)

    def test_sections_come_after_scaling(self) -> None:
        stretched = scaling.yarn(factor=4, original_seq_len=32)
        spec = dataclasses.replace(LOCAL, scaling=stretched, sections=SectionsSpec(sizes=(2, 1, 1)))
        wanted = phasor.sections(stretched(phasor.geometric(8)), (2, 1, 1))
        assert spec.build().frequencies == wanted

    def test_the_length_is_asked_for(self) -> None:
        growing = dataclasses.replace(
            LOCAL, scaling=scaling.dynamic_ntk(factor=2, original_seq_len=8)
        )
        encoding = growing.build()
        with pytest.raises(ArgumentError, match=r"settle it first: rotary.at\(seq_len\)"):
            encoding.prepare(torch.arange(3))
        encoding.at(16).prepare(torch.arange(3))


class TestRefuses:
    def test_what_cannot_be_built(self) -> None:
        with pytest.raises(ArgumentError, match="rotary_dim must be at most head_dim 8, got 16"):
            RotarySpec(head_dim=8, frequencies=GeometricSpec(rotary_dim=16))
        with pytest.raises(ArgumentError, match="must add up to the 4 pairs"):
            dataclasses.replace(LOCAL, sections=SectionsSpec(sizes=(2, 1)))
        with pytest.raises(ArgumentError, match=r"depend on the length.*\.at\(seq_len\)"):
            dataclasses.replace(
                LOCAL,
                scaling=scaling.dynamic_ntk(factor=2, original_seq_len=8),
                sections=SectionsSpec(sizes=(2, 1, 1)),
            )
        own = dataclasses.replace(LOCAL, scaling=lambda frequencies: frequencies)
        with pytest.raises(ArgumentTypeError, match=r"names its scaling, one of linear.*Explicit"):
            LayerSpec(encodings=(own,))
        with pytest.raises(ArgumentError, match="least one position and one channel, got num_po"):
            LearnedSpec(num_positions=0, dim=3)
        with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
            ALiBiSpec(num_heads=0)

    def test_layers_that_are_none(self) -> None:
        with pytest.raises(ArgumentError, match="mine must have at least one layer, got none"):
            PositionSpec(model="mine", layers=())
        with pytest.raises(ArgumentTypeError, match="layers must be a tuple, got list"):
            PositionSpec(model="mine", layers=[of()])  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError, match=r"for one write \(RotarySpec\(...\),\)"):
            LayerSpec(encodings=LOCAL)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="window must be at least 1, got 0"):
            of(window=0)
        with pytest.raises(ArgumentError, match="chunk must be at least 1, got -1"):
            of(chunk=-1)
        with pytest.raises(ArgumentError, match="score_scale must be positive, got 0"):
            of(score_scale=0.0)

    def test_towers(self) -> None:
        tower = PositionSpec(model="vision", layers=(of(),))
        spec = PositionSpec(model="mine", layers=(of(),), towers=(tower,))
        assert spec.tower("vision") is tower
        with pytest.raises(ArgumentError, match=r"has no tower 'audio'; it has \['vision'\]"):
            spec.tower("audio")
        with pytest.raises(ArgumentError, match="towers must differ in name"):
            dataclasses.replace(spec, towers=(tower, tower))


class TestDiff:
    BASE = PositionSpec(model="a", layers=(of(LOCAL),) * 12)

    def changed(self, **changes: object) -> list[str]:
        return self.BASE.diff(dataclasses.replace(self.BASE, model="b", **changes))

    def test_the_same_under_another_name(self) -> None:
        assert self.changed() == []

    def test_a_number_everywhere(self) -> None:
        other = dataclasses.replace(LOCAL, frequencies=GeometricSpec(rotary_dim=8, base=5e5))
        assert self.changed(layers=(of(other),) * 12) == [
            "every layer: rotary.frequencies.base is 10000.0 in a, 500000.0 in b"
        ]

    def test_every_so_many_layers(self) -> None:
        layers = ((of(LOCAL),) * 3 + (of(FAR, window=7),)) * 3
        assert self.changed(layers=layers) == [
            "every 4th layer from 3 on: rotary.frequencies.base is 10000.0 in a, 1000000.0 in b",
            "every 4th layer from 3 on: rotary.scaling is none in a, linear(factor=8) in b",
            "every 4th layer from 3 on: window is none in a, 7 in b",
        ]

    @pytest.mark.parametrize(
        ("which", "words"),
        [
            ([4], "layer 4"),
            ([0, 7], "layers 0 and 7"),
            ([3, 4, 5, 6], "layers 3 to 6"),
            ([1, 3, 5], "every second layer from 1 to 5"),
            ([1, 3, 5, 7, 9, 11], "every second layer from 1 on"),
            ([0, 1, 5], "layers 0, 1 and 5"),
            ([0, 1, 3, 4, 6, 7, 9, 10], "all layers but every third layer from 2 on"),
            ([1, 2, 3, 4, 5, 6, 8, 9, 10, 11], "all layers but layers 0 and 7"),
        ],
    )
    def test_which_layers(self, which: list[int], words: str) -> None:
        layers = tuple(of() if layer in which else of(LOCAL) for layer in range(12))
        assert self.changed(layers=layers) == [f"{words}: rotary in a, no encoding in b"]

    def test_another_number_of_layers_and_another_embedding(self) -> None:
        table = LearnedSpec(num_positions=8, dim=4)
        assert self.changed(layers=(of(LOCAL),) * 10, embedding=table, causal=False) == [
            "embedding is none in a, learned(num_positions=8, dim=4) in b",
            "causal is True in a, False in b",
            "12 layers in a, 10 in b",
        ]

    def test_long_lists(self) -> None:
        def stretched(*factors: float) -> RotarySpec:
            return RotarySpec(
                head_dim=16,
                frequencies=GeometricSpec(rotary_dim=16),
                scaling=scaling.stretch(factors=factors),
            )

        one, two = (
            PositionSpec(model="same", layers=(of(stretched(*[1.0] * 5, last, last, 3.0)),))
            for last in (1.0, 2.0)
        )
        assert one.diff(two) == [
            "the layer: rotary.scaling.factors differs in 2 of 8 places, first at 5: "
            "1.0 in the first, 2.0 in the second"
        ]

    def test_towers(self) -> None:
        tower = PositionSpec(model="vision", layers=(of(),))
        assert self.changed(towers=(tower,)) == ["only b has a tower vision"]
        with_tower = dataclasses.replace(self.BASE, towers=(tower,))
        blind = dataclasses.replace(tower, causal=False)
        other = dataclasses.replace(with_tower, model="b", towers=(blind,))
        assert with_tower.diff(other) == ["vision, causal is True in a, False in b"]
