"""Specs as JSON: what is written is read back, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasor import scaling
from phasor.errors import ArgumentError
from phasor.spec import (
    ALiBiSpec,
    AxialSpec,
    DeBERTaSpec,
    ExplicitSpec,
    GeometricSpec,
    ImagePeriodsSpec,
    LayerSpec,
    LearnedSpec,
    PositionSpec,
    ProportionalSpec,
    QueryTemperatureSpec,
    RelativeLogitsSpec,
    RotarySpec,
    ScoreTemperatureSpec,
    SectionsSpec,
    ShawSpec,
    SinusoidalSpec,
    SSMaxSpec,
    T5BiasSpec,
    TransformerXLSpec,
    UnevenRotarySpec,
)

SCALINGS = [
    None,
    scaling.linear(factor=4),
    scaling.ntk(factor=2.5),
    scaling.ntk_alpha(alpha=1000.0),
    scaling.ntk_by_parts(factor=2, original_seq_len=2048),
    scaling.theta_scale(factor=2, original_seq_len=64),
    scaling.dynamic_ntk(factor=2, original_seq_len=64),
    scaling.yarn(factor=40, original_seq_len=4096, mscale=1.0, mscale_all_dim=1.0),
    scaling.llama3(factor=8),
    scaling.stretch(factors=(1.0, 1.5, 2.0, 4.0)),
    scaling.longrope(
        short_factor=[1, 1, 1, 1], long_factor=[1, 2, 3, 4.5], original_seq_len=4096, factor=32
    ),
    scaling.resonance(),
    scaling.drop_slow(original_seq_len=512),
]
FREQUENCIES = [
    ExplicitSpec(inv_freq=((1.0, 0.3, 0.1, 0.0), (0.0, 0.1, 0.2, 1e-300))),
    AxialSpec(rotary_dim=8, base=100.0, divided=True),
    ImagePeriodsSpec(rotary_dim=8),
    ProportionalSpec(head_dim=8, proportion=0.5, base=1e6),
]
rotaries = st.one_of(
    st.builds(
        RotarySpec,
        head_dim=st.integers(8, 200),
        frequencies=st.builds(
            GeometricSpec, rotary_dim=st.just(8), base=st.floats(2.0, 1e9, allow_nan=False)
        ),
        scaling=st.sampled_from(SCALINGS),
        layout=st.sampled_from(["half", "interleaved"]),
        rotary_slice=st.sampled_from(["leading", "trailing"]),
    ),
    st.builds(RotarySpec, head_dim=st.just(8), frequencies=st.sampled_from(FREQUENCIES)),
    st.just(
        RotarySpec(
            head_dim=8,
            frequencies=GeometricSpec(rotary_dim=8),
            sections=SectionsSpec(sizes=(2, 1, 1), order="interleaved"),
            scaling=scaling.yarn(factor=4, original_seq_len=128),
        )
    ),
)
encodings = st.one_of(
    rotaries,
    st.builds(
        QueryTemperatureSpec,
        original_seq_len=st.integers(1, 10**9),
        growth=st.sampled_from(["steps", "power"]),
    ),
    st.builds(SSMaxSpec, num_heads=st.integers(1, 100)),
    st.builds(
        UnevenRotarySpec,
        head_dim=st.integers(12, 200),
        frequencies=st.just(AxialSpec(rotary_dim=12, axes=3)),
        blocks=st.sampled_from([1, 3]),
        layout=st.sampled_from(["half", "interleaved"]),
    ),
    st.just(
        UnevenRotarySpec(
            head_dim=8,
            frequencies=GeometricSpec(rotary_dim=8),
            sections=(2, 1, 1),
            scaling=scaling.ntk_alpha(alpha=1000.0),
            layout="half",
        )
    ),
    st.builds(
        ShawSpec,
        head_dim=st.integers(1, 9),
        max_distance=st.integers(0, 99),
        max_ahead=st.integers(0, 9),
    ),
    st.builds(
        TransformerXLSpec,
        dim=st.just(4),
        head_dim=st.integers(1, 9),
        num_heads=st.integers(1, 9),
        base=st.floats(2.0, 1e9),
    ),
    st.builds(
        DeBERTaSpec,
        dim=st.integers(1, 9),
        head_dim=st.integers(1, 9),
        num_heads=st.integers(1, 9),
        max_distance=st.integers(9, 99),
        num_buckets=st.sampled_from([None, 4, 8]),
    ),
    st.builds(
        RelativeLogitsSpec,
        dim=st.integers(1, 9),
        num_heads=st.integers(1, 9),
        extent=st.integers(1, 99),
        rank=st.integers(1, 9),
    ),
    st.builds(ScoreTemperatureSpec, original_seq_len=st.integers(1, 10**9)),
    st.builds(ALiBiSpec, num_heads=st.integers(1, 100), scale=st.floats(1e-3, 1.0)),
    st.builds(T5BiasSpec, num_heads=st.integers(1, 100), shared=st.booleans()),
)
layers = st.builds(
    LayerSpec,
    encodings=st.lists(encodings, max_size=3).map(tuple),
    window=st.none() | st.integers(1, 10**6),
    chunk=st.none() | st.integers(1, 10**6),
    score_scale=st.none() | st.floats(1e-3, 8.0),
)


def specs(depth: int = 1) -> st.SearchStrategy[PositionSpec]:
    return st.builds(
        PositionSpec,
        model=st.text(max_size=20),
        layers=st.lists(layers, min_size=1, max_size=4).map(tuple),
        embedding=st.none()
        | st.builds(
            LearnedSpec,
            num_positions=st.integers(1, 10**4),
            dim=st.integers(1, 10**5),
            offset=st.integers(0, 2),
        )
        | st.just(SinusoidalSpec(dim=16, layout="half", endpoint=True, offset=2)),
        causal=st.booleans(),
        max_seq_len=st.none() | st.integers(1, 10**8),
        towers=st.lists(specs(depth - 1), max_size=1).map(tuple) if depth else st.just(()),
    )


@given(specs())
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back(spec: PositionSpec) -> None:
    again = PositionSpec.from_json(spec.to_json())
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_json() == spec.to_json()
    assert spec.diff(again) == []


def plain() -> dict[str, Any]:
    rotary = RotarySpec(
        head_dim=8,
        frequencies=GeometricSpec(rotary_dim=8),
        scaling=scaling.yarn(factor=4, original_seq_len=64),
    )
    layer = LayerSpec(encodings=(rotary,))
    spec = PositionSpec(model="mine", layers=(layer, LayerSpec(), layer))
    return json.loads(spec.to_json())


def test_equal_layers_are_written_once() -> None:
    assert plain()["layers"] == [0, 1, 0]
    assert len(plain()["distinct_layers"]) == 2


CHANGES = {
    "spec has no field 'causl'. Did you mean 'causal'": lambda d: d.update(causl=d.pop("causal")),
    "spec lacks the field 'causal'": lambda d: d.pop("causal"),
    "spec.causal must be true or false, got 1": lambda d: d.update(causal=1),
    "spec.max_seq_len must be a whole number, got '4k'": lambda d: d.update(max_seq_len="4k"),
    "spec.max_seq_len must be a whole number, got True": lambda d: d.update(max_seq_len=True),
    "must say 'phasor_spec': 1, got 2": lambda d: d.update(phasor_spec=2),
    "must say 'phasor_spec': 1, got None": lambda d: d.pop("phasor_spec"),
    "spec.layers[1] must be a number from 0 to 1, got 2": lambda d: d.update(layers=[0, 2]),
    "spec.layers must be a list, got 3": lambda d: d.update(layers=3),
    "spec.distinct_layers must be a list": lambda d: d.update(distinct_layers={}),
    "mine must have at least one layer": lambda d: d.update(layers=[]),
    "spec.layers[0].encodings[0] has no kind 'rotery'. Did you mean 'rotary'?": lambda d: rotary(
        d
    ).update(kind="rotery"),
    "spec.layers[0].encodings[0].layout must be one of ['half', 'interleaved'], got 'neox'": (
        lambda d: rotary(d).update(layout="neox")
    ),
    "spec.layers[0].encodings[0].frequencies.base must be a number, got None": lambda d: rotary(d)[
        "frequencies"
    ].update(base=None),
    "spec.layers[0].encodings[0].scaling: factor must be at least 1, got 0.5": lambda d: rotary(d)[
        "scaling"
    ].update(factor=0.5),
    "spec.layers[0].encodings[0].scaling has no kind 'geometric'": lambda d: rotary(d).update(
        scaling={"kind": "geometric", "rotary_dim": 8, "base": 1.0}
    ),
    "spec.layers[0].encodings[0]: rotary_dim must be at most head_dim 4, got 8": lambda d: rotary(
        d
    ).update(head_dim=4),
    "base must be a number that float64 can hold": lambda d: rotary(d)["frequencies"].update(
        base=10**400
    ),
}


def rotary(spec: dict[str, Any]) -> dict[str, Any]:
    return spec["distinct_layers"][0]["encodings"][0]


@pytest.mark.parametrize("message", CHANGES)
def test_refuses_what_it_did_not_write(message: str) -> None:
    found = plain()
    CHANGES[message](found)
    with pytest.raises(ArgumentError) as raised:
        PositionSpec.from_json(json.dumps(found))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be JSON"),
        ("[1]", "must say 'phasor_spec': 1, got None"),
        ("[" * 100_000, "must be JSON"),
        ('{"phasor_spec": 1, "phasor_spec": 1}', "'phasor_spec' twice"),
        ('{"phasor_spec": NaN}', "finite numbers, got NaN"),
        ("{'phasor_spec': 1}", "must be JSON"),
    ],
)
def test_refuses_what_is_no_spec(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        PositionSpec.from_json(text)


def test_whole_numbers_may_stand_for_others() -> None:
    found = plain()
    rotary(found)["frequencies"]["base"] = 10_000
    assert PositionSpec.from_json(json.dumps(found)) == PositionSpec.from_json(json.dumps(plain()))
