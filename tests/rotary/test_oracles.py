"""phasor against the frozen numbers in tests/oracles, and those against what is installed."""

import math
from collections.abc import Callable

import pytest
import torch
from oracles.make import SUBJECTS, changes, differences
from torch.testing import assert_close

import phasor
from phasor import scaling

Case = dict[str, object]
FLOAT32 = 5e-6  # A few units of rounding in their powers; more where YaRN's ramp nears 1.
FLOAT64 = 1e-13


def frozen(*subjects: str) -> list:
    cases = [case for subject in subjects for case in SUBJECTS[subject].frozen()["cases"]]
    return [pytest.param(case, id=f"{case['name']}, {index}") for index, case in enumerate(cases)]


def check(ours: phasor.Frequencies, case: Case, rtol: float) -> None:
    """`case["axis"]` says which axis turns each pair; without it there is one."""
    expected = torch.tensor(case["inv_freq"], dtype=torch.float64)
    axis = torch.tensor(case.get("axis", [0] * len(expected)))
    on_axis = axis == torch.arange(ours.axes)[:, None]
    assert_close(ours.inv_freq, torch.where(on_axis, expected, 0.0), rtol=rtol, atol=0)
    assert ours.attention_scale == pytest.approx(case.get("attention_factor", 1.0), rel=1e-12)
    assert ours.softmax_scale == pytest.approx(case.get("softmax_scale", 1.0), rel=1e-12)


def geometric(case: Case) -> phasor.Frequencies:
    return phasor.geometric(case["head_dim"], case["rope_parameters"]["rope_theta"])


def only(case: Case, *names: str) -> dict[str, object]:
    return {
        name: case["rope_parameters"][name] for name in names if name in case["rope_parameters"]
    }


@pytest.mark.parametrize("case", frozen("linear"))
def test_linear(case: Case) -> None:
    check(scaling.linear(**only(case, "factor"))(geometric(case)), case, FLOAT32)


@pytest.mark.parametrize("case", frozen("dynamic_ntk"))
def test_dynamic_ntk(case: Case) -> None:
    dynamic = scaling.dynamic_ntk(
        **only(case, "factor"), original_seq_len=case["max_position_embeddings"]
    )
    check(dynamic.at(case["seq_len"])(geometric(case)), case, FLOAT32)


@pytest.mark.parametrize("case", frozen("yarn"))
def test_yarn(case: Case) -> None:
    gains = ("attention_factor", "mscale", "mscale_all_dim")
    yarn = scaling.yarn(
        original_seq_len=case["rope_parameters"]["original_max_position_embeddings"],
        scale_softmax="softmax_scale" in case,
        **only(case, "factor", "beta_fast", "beta_slow", "truncate", *gains),
    )
    check(yarn(geometric(case)), case, FLOAT32)


@pytest.mark.parametrize("case", frozen("llama3"))
def test_llama3(case: Case) -> None:
    llama3 = scaling.llama3(
        original_seq_len=case["rope_parameters"]["original_max_position_embeddings"],
        **only(case, "factor", "low_freq_factor", "high_freq_factor"),
    )
    check(llama3(geometric(case)), case, FLOAT32)


@pytest.mark.parametrize("case", frozen("longrope"))
def test_longrope(case: Case) -> None:
    longrope = scaling.longrope(
        original_seq_len=case["rope_parameters"]["original_max_position_embeddings"],
        **only(case, "factor", "short_factor", "long_factor"),
    )
    check(longrope.at(case["seq_len"])(geometric(case)), case, FLOAT32)


@pytest.mark.parametrize("case", frozen("proportional"))
def test_proportional(case: Case) -> None:
    rope = case["rope_parameters"]
    ours = phasor.proportional(
        case["head_dim"], rope["partial_rotary_factor"], rope["rope_theta"], **only(case, "factor")
    )
    check(ours, case, FLOAT32)


Rule = Callable[[phasor.Frequencies], phasor.Frequencies]


def telechat3(factor: float, length: int) -> Rule:
    return scaling.yarn(
        factor=factor, original_seq_len=length, attention_factor=0.07 * math.log(factor) + 1
    )


def yarn_log(factor: float, length: int) -> Rule:
    return scaling.yarn(
        factor=factor,
        original_seq_len=length,
        beta_fast=8,
        blend="geometric",
        attention_factor=1.0,
    )


def papers_parts(factor: float, length: int) -> Rule:
    return scaling.llama3(
        factor=factor, low_freq_factor=1, high_freq_factor=32, original_seq_len=length
    )


def resonance_yarn(factor: float, length: int) -> Rule:
    yarn = scaling.yarn(factor=factor, original_seq_len=length, attention_factor=1.0)
    return lambda frequencies: scaling.resonance()(yarn(frequencies))


def yarn_cut_at_pairs(factor: float, length: int) -> Rule:
    return scaling.yarn(factor=factor, original_seq_len=length, clamp="pairs", attention_factor=1.0)


RULES: dict[str, Callable[[float, int], Rule]] = {
    "ntk": lambda factor, length: scaling.ntk(factor=factor),
    "theta_scale": lambda factor, length: scaling.theta_scale(
        factor=factor, original_seq_len=length
    ),
    "yarn_log": yarn_log,
    "yarn": telechat3,
    "yarn_cut_at_pairs": yarn_cut_at_pairs,
    "ntk_by_parts_of_the_code": lambda factor, length: scaling.ntk_by_parts(
        factor=factor, original_seq_len=length
    ),
    "ntk_by_parts_of_the_paper": papers_parts,
    "resonance": lambda factor, length: scaling.resonance(),
    "resonance_yarn": resonance_yarn,
}


FORMULAS = ("ntk", "grok", "telechat3", "yarn_clamp", "ntk_by_parts", "resonance")


@pytest.mark.parametrize("case", frozen(*FORMULAS))
def test_formulas(case: Case) -> None:
    rule = RULES[case["name"]](case["factor"], case["length"])
    check(rule(phasor.geometric(case["dim"], case["base"])), case, FLOAT64)


SECTIONS: dict[str, tuple[tuple[int, ...], str]] = {
    "Qwen2-VL": ((16, 24, 24), "chunked"),
    "Qwen3-VL": ((24, 20, 20), "interleaved"),
    "Ernie 4.5 VL": ((20, 22, 22), "ernie"),
    "NeoMME": ((16, 16), "interleaved"),
}


@pytest.mark.parametrize("case", frozen("sections"))
def test_sections(case: Case) -> None:
    sizes, order = SECTIONS[case["name"]]
    assert sorted(sizes) == sorted(case["mrope_section"])
    frequencies = phasor.geometric(case["head_dim"], case["rope_theta"])
    check(phasor.sections(frequencies, sizes, order=order), case, FLOAT32)


ORDERS = {"openPangu-VL": "openpangu", "VideoRoPE": "ernie", "XD-RoPE": "chunked"}


@pytest.mark.parametrize("case", frozen("section_rules"))
def test_section_rules(case: Case) -> None:
    frequencies = phasor.geometric(2 * sum(case["sizes"]))
    ours = phasor.sections(frequencies, tuple(case["sizes"]), order=ORDERS[case["name"]])
    check(ours, {**case, "inv_freq": frequencies.inv_freq[0].tolist()}, rtol=0)


AXIAL: dict[str, Callable[[int, float], phasor.Frequencies]] = {
    "Qwen2-VL, vision": lambda dim, base: phasor.axial(dim, base=base),
    "Pixtral, vision": lambda dim, base: phasor.axial(dim, base=base, divided=True),
    "DINOv3": phasor.image_periods,
}


@pytest.mark.parametrize("case", frozen("axial"))
def test_axial(case: Case) -> None:
    check(AXIAL[case["name"]](case["rotary_dim"], case["rope_theta"]), case, FLOAT32)


@pytest.mark.parametrize("case", frozen("hunyuan_vl"))
def test_hunyuan_vl_has_ntk_alpha_and_no_rotation(case: Case) -> None:
    frequencies = phasor.geometric(case["head_dim"], case["rope_theta"])
    check(scaling.ntk_alpha(alpha=case["alpha"])(frequencies), case, FLOAT32)
    first, second = torch.tensor(case["axis_of_channel"]).chunk(2)
    assert bool((first != second).all())


def test_every_frozen_file_is_made_here() -> None:
    directory = SUBJECTS["yarn"].path.parent
    here = {name for name, subject in SUBJECTS.items() if subject.path.parent == directory}
    assert {path.stem for path in directory.glob("*.json")} == here
    # What goes with the package has a place there.
    assert set(SUBJECTS) - here == {"golden"}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_frozen_numbers_are_what_is_installed(subject: str) -> None:
    assert changes(SUBJECTS[subject]) == []


def test_a_changed_number_is_found() -> None:
    yarn = SUBJECTS["yarn"]
    frozen_numbers = yarn.frozen()
    frozen_numbers["cases"][0]["inv_freq"][3] *= 1.00001
    found = list(differences(frozen_numbers["cases"], yarn.make()["cases"], yarn, "yarn"))
    assert len(found) == 1
    assert "yarn[0].inv_freq[3] was" in found[0]
