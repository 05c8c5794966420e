"""What an inspection says of a rotary encoding, against formulas written out here."""

import io
import json
import math
from dataclasses import replace

import mpmath
import pytest
from rich.console import Console
from spec.golden import GOLDEN
from spec.golden.layer import rotary_layer
from torch.testing import assert_close

import phasor
from phasor._inspect import Rotation, inspect
from phasor._inspect.page import render_page
from phasor._inspect.rounding import rounding_at
from phasor.rotary.rules import FrequencySpec
from phasor.rotary.scaling import LengthScaling, Scaling
from phasor.spec import ExplicitSpec, GeometricSpec, LayerSpec, PositionSpec, RotarySpec

BASE, DIM, TRAINED = 10_000.0, 64, 2048


def look(
    scaling: Scaling | LengthScaling | None = None,
    *,
    max_seq_len: int | None = TRAINED,
    length: int | None = None,
    window: int | None = None,
) -> Rotation:
    layer = rotary_layer(DIM, base=BASE, scaling=scaling, window=window)
    spec = PositionSpec(model="mine", layers=(layer,) * 2, max_seq_len=max_seq_len)
    (rotation,) = inspect(spec, length=length).rotations
    return rotation


def omega(pair: int) -> float:
    return BASE ** (-2 * pair / DIM)


def never_around() -> tuple[int, ...]:
    return tuple(pair for pair in range(DIM // 2) if TRAINED * omega(pair) < 2 * math.pi)


def test_wavelengths_and_turns() -> None:
    rotation = look()
    for at, pair in enumerate(rotation.pairs):
        assert pair.wavelength == pytest.approx(2 * math.pi / omega(at), rel=1e-12)
        assert pair.turns_trained == pytest.approx(TRAINED * omega(at) / (2 * math.pi), rel=1e-12)
        assert pair.slowed == 1
        assert pair.unseen == 0
    assert rotation.never_around == never_around() != ()
    assert rotation.standing == ()
    assert rotation.effective_length == TRAINED


def test_past_the_trained_context_only_pairs_that_never_went_around_meet_new_angles() -> None:
    rotation = look(length=2 * TRAINED)
    assert rotation.unseen == never_around()
    for at in rotation.unseen:
        new = min(2 * TRAINED * omega(at), 2 * math.pi) - TRAINED * omega(at)
        assert rotation.pairs[at].unseen == pytest.approx(new / (2 * math.pi), rel=1e-9)


@pytest.mark.parametrize("factor", [2.0, 8.0, 40.0])
def test_yarn_and_interpolation_reach_exactly_their_factor(factor: float) -> None:
    yarn = look(phasor.scaling.yarn(factor=factor, original_seq_len=TRAINED), max_seq_len=10**6)
    assert yarn.trained_length == TRAINED
    assert yarn.trained_from == "original_seq_len"
    assert yarn.effective_length == factor * TRAINED
    linear = look(phasor.scaling.linear(factor=factor), max_seq_len=int(factor * TRAINED))
    assert linear.trained_from == "max_seq_len over factor"
    assert linear.trained_length == TRAINED
    assert linear.effective_length == factor * TRAINED
    assert {pair.slowed for pair in linear.pairs} == {factor}


def test_interpolation_without_a_length_still_slows_by_its_factor() -> None:
    linear = look(phasor.scaling.linear(factor=3.0), max_seq_len=None)
    assert linear.trained_length is None
    assert {pair.slowed for pair in linear.pairs} == {3.0}


def test_ntk_reaches_less_than_its_factor() -> None:
    factor = 8.0
    rotation = look(phasor.scaling.ntk(factor=factor), max_seq_len=int(factor * TRAINED))
    # The first pair that never went around is stretched by less than the last.
    first = never_around()[0]
    expected = math.floor(TRAINED * factor ** (2 * first / (DIM - 2)))
    assert rotation.effective_length == expected < factor * TRAINED
    assert first in rotation.unseen
    assert rotation.pairs[-1].slowed == pytest.approx(factor)


def test_dynamic_ntk_is_searched_for_the_length_at_which_it_gives_out() -> None:
    rotation = look(phasor.scaling.dynamic_ntk(factor=1.0, original_seq_len=TRAINED))

    def covered(length: int) -> bool:
        grown = max(1.0, length / TRAINED)
        return all(
            length * omega(pair) * grown ** (-2 * pair / (DIM - 2)) <= TRAINED * omega(pair)
            for pair in never_around()
        )

    limit = rotation.effective_length
    assert limit is not None
    assert covered(limit)
    assert not covered(limit + 1)


def test_longrope_is_looked_at_with_the_list_of_its_length() -> None:
    longrope = phasor.scaling.longrope(
        short_factor=[1.0] * 32, long_factor=[4.0] * 32, original_seq_len=TRAINED, factor=4
    )
    assert look(longrope, length=TRAINED).pairs[5].slowed == 1
    assert look(longrope, length=TRAINED + 1).pairs[5].slowed == 4
    assert look(longrope).effective_length == 4 * TRAINED


def test_a_window_bounds_what_angles_are_met() -> None:
    rotation = look(length=100 * TRAINED, window=256)
    assert rotation.reach == 256
    assert rotation.unseen == ()
    assert rotation.effective_length is None
    assert len(rotation.never_around) > len(never_around())


def test_no_length_is_no_answer() -> None:
    rotation = look(max_seq_len=None)
    assert rotation.trained_length is None
    assert rotation.effective_length is None
    assert rotation.pairs[0].turns_trained is None
    assert rotation.never_around == rotation.unseen == ()


def test_gains_are_those_of_the_paper() -> None:
    rotation = look(
        phasor.scaling.yarn(factor=8, original_seq_len=TRAINED), max_seq_len=8 * TRAINED
    )
    assert rotation.attention_scale == pytest.approx(0.1 * math.log(8) + 1)
    (deepseek,) = inspect(GOLDEN["deepseek-v3"]()).rotations
    assert deepseek.softmax_scale == pytest.approx((0.1 * math.log(40) + 1) ** 2)


def test_llama_3_1_is_out_of_known_angles_past_eight_times_its_training() -> None:
    (rotation,) = inspect(GOLDEN["llama-3.1-8b"]()).rotations
    assert rotation.trained_length == 8192
    assert rotation.effective_length == 8 * 8192
    assert rotation.never_around == tuple(range(35, 64))


def test_pairs_that_stand_still_have_no_wavelength() -> None:
    rotations = inspect(GOLDEN["gemma-4-31b"]()).rotations
    assert [len(rotation.standing) for rotation in rotations] == [0, 192]
    assert math.isinf(rotations[1].pairs[64].wavelength)


@pytest.mark.parametrize("length", [1, 1000, 131_072, 2**24])
def test_rounding_against_fifty_digits(length: int) -> None:
    frequencies = phasor.geometric(DIM, 500_000.0)
    found = rounding_at(frequencies, length)
    worst, worst_cast = 0.0, 0.0
    narrow = frequencies.inv_freq.float()
    cast = narrow.bfloat16().float()
    with mpmath.workdps(50):
        # Independent of how many positions are sampled: the worst of them is at least the last's.
        for pair in range(DIM // 2):
            exact = (length - 1) * mpmath.mpf(frequencies.inv_freq[0, pair].item())
            for numbers, name in ((narrow, "float32"), (cast, "bfloat16")):
                rounded = (numbers[0, pair] * (length - 1)).item()
                apart = mpmath.fmod(rounded - exact, 2 * mpmath.pi)
                apart = float(min(apart % (2 * mpmath.pi), -apart % (2 * mpmath.pi)))
                if name == "float32":
                    worst = max(worst, apart)
                else:
                    worst_cast = max(worst_cast, apart)
    assert found.float32 >= worst * (1 - 1e-6)
    assert found.float32 <= 2**-23 * length + 1e-12
    assert found.bfloat16 >= worst_cast * (1 - 1e-6)
    if length > 10_000:
        assert found.float32 > 1e-4
        assert found.bfloat16 > 1.0
        assert found.bfloat16_from is not None
        first = found.bfloat16_from
        drift = (cast.double() - frequencies.inv_freq).abs().max().item()
        assert (first - 1) * drift < 0.1 <= first * drift * (1 + 1e-9)


def test_two_windows_of_one_encoding_are_two_looks() -> None:
    rotary = RotarySpec(head_dim=DIM, frequencies=GeometricSpec(rotary_dim=DIM))
    layers = tuple(LayerSpec(encodings=(rotary,), window=window) for window in (None, 16) * 3)
    spec = PositionSpec(model="mine", layers=layers, max_seq_len=TRAINED)
    found = inspect(spec).rotations
    assert [rotation.layers for rotation in found] == [(0, 2, 4), (1, 3, 5)]
    assert inspect(spec).travel is None
    local = replace(spec, layers=layers[1::2])
    # Three layers, each of which looks 15 tokens back.
    assert inspect(local).travel == 1 + 3 * 15


def test_exact_frequencies_are_the_ones_looked_at() -> None:
    rotation = look(phasor.scaling.yarn(factor=4, original_seq_len=TRAINED))
    scaled = phasor.scaling.yarn(factor=4, original_seq_len=TRAINED)(phasor.geometric(DIM))
    speeds = [2 * math.pi / pair.wavelength for pair in rotation.pairs]
    assert_close(speeds, scaled.inv_freq[0].tolist(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("frequencies", "max_seq_len"),
    [
        (GeometricSpec(rotary_dim=8, base=1e-300), 4096),
        (GeometricSpec(rotary_dim=8, base=1e300), 4096),
        (ExplicitSpec(inv_freq=((0.0, 0.0, 0.0, 0.0),)), 4096),
        (GeometricSpec(rotary_dim=8), 1),
        (GeometricSpec(rotary_dim=8), 10**30),
        (GeometricSpec(rotary_dim=2), None),
    ],
    ids=["tiny base", "huge base", "nothing turns", "one token", "endless", "one pair"],
)
def test_odd_numbers_are_looked_at_without_a_fall(
    frequencies: FrequencySpec, max_seq_len: int | None
) -> None:
    rotary = RotarySpec(head_dim=8, frequencies=frequencies)
    layer = LayerSpec(encodings=(rotary,))
    inspection = inspect(PositionSpec(model="odd", layers=(layer,), max_seq_len=max_seq_len))
    json.dumps(inspection.as_json(), allow_nan=False)
    console = Console(record=True, width=100, file=io.StringIO())
    inspection.show(console)
    text = console.export_text()
    assert "odd: 1 layer," in text
    assert "nan" not in text.lower()
    assert "NaN" not in render_page(inspection).split("<script>", 1)[0]
