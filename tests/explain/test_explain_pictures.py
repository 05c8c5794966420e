"""The numbers of pictures are those of formulas, and what is measured is a real comparison."""

import math

import pytest
import torch

import phasor
from phasor._explain.measured import kept_rows
from phasor._explain.picture import Picture
from phasor._explain.terminal import _line
from phasor.encodings.catalogue import CATALOGUE
from phasor.encodings.spelling import parse_spelling


def picture(name: str) -> Picture:
    (part,) = phasor.explain(name).parts
    assert part.picture is not None
    return part.picture


def test_alibi_is_its_slopes_times_the_distance() -> None:
    drawn = picture("alibi")
    slopes = phasor.ALiBi(12).slopes
    assert [curve.name for curve in drawn.curves] == ["head 7", "head 8"]
    for curve, slope in zip(drawn.curves, (slopes.min(), slopes.max()), strict=True):
        expected = [-float(slope) * distance for distance in drawn.at]
        assert curve.values == pytest.approx(expected, abs=1e-12)
    assert drawn.at[0] == 0
    assert drawn.at[-1] == 128


def test_sandwich_is_its_sum_of_cosines() -> None:
    drawn = picture("sandwich")
    speeds = phasor.geometric(128).inv_freq[0]
    for distance, value in zip(drawn.at, drawn.curves[0].values, strict=True):
        assert value == pytest.approx(12 / 8 * float((distance * speeds).cos().sum()), abs=1e-9)


def test_sinusoids_are_alike_by_the_mean_cosine_of_their_angles() -> None:
    drawn = picture("sinusoidal")
    speeds = phasor.geometric(768).inv_freq[0]
    for distance, value in zip(drawn.at, drawn.curves[0].values, strict=True):
        assert value == pytest.approx(float((distance * speeds).cos().mean()), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("log_n", lambda m: max(1.0, math.log(m + 1) / math.log(1024))),
        ("score_temperature", lambda m: 1 + 0.1 * math.log(max(1.0, (m + 1) / 1024))),
        ("query_temperature", lambda m: 1 + 0.1 * math.log(1 + m // 1024)),
        ("ssmax", lambda m: 1.0),
    ],
)
def test_growth_is_that_of_the_formula(name: str, factor: object) -> None:
    assert callable(factor)
    drawn = picture(name)
    assert drawn.curves[0].values == pytest.approx([factor(m) for m in drawn.at], abs=1e-9)


def test_without_an_encoding_nothing_changes_with_the_distance() -> None:
    assert picture("none").curves[0].values == pytest.approx([1.0] * 33)


def test_string_starts_as_the_mean_of_its_rotations() -> None:
    """Of one vector in each head, a mixture of cosines: 1 at no distance, below it elsewhere."""
    (curve,) = picture("string").curves
    assert curve.values[0] == pytest.approx(1.0)
    assert max(curve.values[1:]) < 1


def test_pictures_are_the_same_each_time_and_leave_the_seed_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert picture("kerple") == picture("kerple")
    assert torch.equal(before, torch.random.get_rng_state())


def test_pairs_are_those_of_the_frequencies() -> None:
    (part,) = phasor.explain("llama3").parts
    assert part.rotation is not None
    plain = phasor.geometric(64)
    scaled = phasor.scaling.llama3(factor=4, original_seq_len=1024)(plain)
    wavelengths = [2 * math.pi / speed for speed in scaled.inv_freq[0].tolist()]
    assert [pair.wavelength for pair in part.rotation.pairs] == pytest.approx(wavelengths)
    slowed = (plain.inv_freq / scaled.inv_freq)[0].tolist()
    assert [pair.slowed for pair in part.rotation.pairs] == pytest.approx(slowed)


def test_blocks_rise_with_the_numbers() -> None:
    (curve,) = picture("log_n").curves
    line = _line(curve, min(curve.values), max(curve.values))
    assert (line[0], line[-1]) == ("▁", "█")
    assert list(line) == sorted(line)


def test_rows_are_of_one_comparison_and_of_encodings_that_there_are() -> None:
    kept = kept_rows()
    assert kept["command"].startswith("phasor compare --encodings ")
    assert kept["text"]["sha256"]
    assert kept["versions"]["torch"]
    assert {"none", "sinusoidal", "learned", "rotary", "alibi"} <= kept["rows"].keys()
    spelled = kept["command"].split("--encodings ")[1].split(" --")[0].split(",")
    assert set(kept["rows"]) == set(spelled)
    for name, cells in kept["rows"].items():
        assert parse_spelling(name).turns[0].name in CATALOGUE
        assert next(iter(cells)) == str(kept["train_length"])
        for mean, low, high in cells.values():
            assert mean > 0
            assert (low is None) == (high is None) == (kept["seeds"] == 1)
            assert low is None or low <= mean <= high


def test_a_row_is_shown_as_it_is_kept() -> None:
    mean, low, high = kept_rows()["rows"]["rotary"]["64"]
    (part,) = phasor.explain("rotary").parts
    assert part.row is not None
    assert part.unmeasured == ""
    assert part.row.loss["64"] == (mean, low, high)
    assert part.row.in_words().startswith(f"{mean:.3f} ")
    assert f"{mean:.3f}" in repr(phasor.explain("rope"))
