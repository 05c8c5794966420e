"""The golden tables, the checks against them, and the pytest plugin, on right and wrong code."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

import phasor
from phasor.errors import ArgumentError
from phasor.testing import GoldenRotary, check_rotation, check_tables, golden_cases

pytest_plugins = "pytester"

CASES = {case.name: case for case in golden_cases()}


def transformers_cos_sin(config: dict[str, Any], positions: Tensor) -> tuple[Tensor, Tensor]:
    """As transformers makes them: its frequencies, its product in float32."""
    rope = config["rope_parameters"]
    theirs = LlamaConfig(
        head_dim=config["head_dim"],
        hidden_size=config["head_dim"],
        num_attention_heads=1,
        max_position_embeddings=config["max_position_embeddings"],
        rope_parameters=dict(rope),
    )
    if rope["rope_type"] == "default":
        width = int(config["head_dim"] * rope.get("partial_rotary_factor", 1.0))
        exponents = torch.arange(0, width, 2).float() / width
        inv_freq, gain = 1.0 / rope["rope_theta"] ** exponents, 1.0
    else:
        make = ROPE_INIT_FUNCTIONS[rope["rope_type"]]
        inv_freq, gain = make(theirs, torch.device("cpu"), seq_len=int(positions.max()) + 1)
    angles = positions.float()[..., None] * inv_freq
    emb = torch.cat((angles, angles), dim=-1)
    return emb.cos() * gain, emb.sin() * gain


@pytest.mark.parametrize("case", CASES.values(), ids=str)
def test_transformers_agrees(case: GoldenRotary) -> None:
    deviation = check_tables(case, transformers_cos_sin)
    assert deviation.times <= 1, deviation
    assert "agrees" in str(deviation)
    if case.pairs * 2 == case.config["head_dim"]:
        assert check_rotation(case, transformers_cos_sin, apply_rotary_pos_emb) is None


def exact_cos_sin(case: GoldenRotary) -> Any:
    frequencies = phasor.Frequencies(
        torch.tensor([case.inv_freq], dtype=torch.float64), None, case.attention_factor
    )
    return lambda config, positions: phasor.cos_sin(positions, frequencies)


@pytest.mark.parametrize("case", CASES.values(), ids=str)
def test_exact_angles_are_exact_and_float32_is_not(case: GoldenRotary) -> None:
    assert check_tables(case, exact_cos_sin(case), tolerance="exact").times <= 1
    if max(case.positions) > 100_000:
        assert check_tables(case, transformers_cos_sin, tolerance="exact").times > 1


def test_cases_say_where_they_come_from() -> None:
    assert len(CASES) == len(golden_cases()) >= 14
    for case in CASES.values():
        assert case.source
        assert "digits" in case.provenance
        assert 1 in case.positions
        assert len(case.angles) == len(case.positions)
        assert {len(row) for row in case.angles} == {case.pairs}


def inverted_yarn(config: dict[str, Any], positions: Tensor) -> tuple[Tensor, Tensor]:
    """YaRN with its ramp the wrong way round: fast pairs stretched, slow ones left alone."""
    rope = config["rope_parameters"]
    if rope["rope_type"] != "yarn":
        return transformers_cos_sin(config, positions)
    plain = phasor.geometric(config["head_dim"], rope["rope_theta"])
    right = phasor.scaling.yarn(
        factor=rope["factor"], original_seq_len=rope["original_max_position_embeddings"]
    )(plain)
    share = (1 - right.inv_freq / plain.inv_freq) / (1 - 1 / rope["factor"])
    wrong = plain.inv_freq * (share + (1 - share) / rope["factor"])
    return phasor.cos_sin(positions, right.with_inv_freq(wrong))


def in_bfloat16(config: dict[str, Any], positions: Tensor) -> tuple[Tensor, Tensor]:
    inv_freq = 1 / config["rope_parameters"]["rope_theta"] ** (torch.arange(0, 1, 2 / 128))
    angles = positions.float()[..., None] * inv_freq.bfloat16().float()
    return angles.cos(), angles.sin()


def without_gain(config: dict[str, Any], positions: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = transformers_cos_sin(config, positions)
    norm = torch.hypot(cos, sin)
    return cos / norm, sin / norm


def test_wrong_tables_are_found_and_measured() -> None:
    deviation = check_tables(CASES["qwen2.5-yarn"], inverted_yarn)
    assert deviation.times > 1e5
    assert deviation.speed == pytest.approx(0.25, rel=1e-4) or deviation.speed == pytest.approx(
        4, rel=1e-4
    )
    assert "times as fast as it should" in str(deviation)
    deviation = check_tables(CASES["llama-2"], in_bfloat16)
    assert 100 < deviation.times < 1e6
    assert deviation.speed == pytest.approx(1, abs=2**-8)
    deviation = check_tables(CASES["qwen2.5-yarn"], without_gain)
    assert deviation.gain == pytest.approx(1)
    assert deviation.golden_gain == pytest.approx(0.1 * math.log(4) + 1)
    assert "the gain is 1 instead of 1.13863" in str(deviation)


def test_nothing_counts_as_agreement_with_nan() -> None:
    def broken(config: dict[str, Any], positions: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = transformers_cos_sin(config, positions)
        return cos * math.nan, sin * math.nan

    assert check_tables(CASES["llama-2"], broken).times == math.inf
    assert check_rotation(CASES["llama-2"], broken, apply_rotary_pos_emb) is not None


def interleaved(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    pairs = cos.shape[-1] // 2
    turn = torch.complex(cos[..., :pairs], sin[..., :pairs])[:, None]
    return tuple(  # type: ignore[return-value]
        torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(-2)
        for x in (query, key)
    )


def test_rotations_are_told_apart() -> None:
    case = CASES["llama-2"]
    assert check_rotation(case, transformers_cos_sin, interleaved, layout="interleaved") is None
    wrong = check_rotation(case, transformers_cos_sin, interleaved, layout="half")
    assert wrong is not None
    assert "turns the pairs of the layout 'interleaved', not of 'half'" in wrong
    backwards = check_rotation(
        case, transformers_cos_sin, lambda q, k, c, s: apply_rotary_pos_emb(q, k, c, -s)
    )
    assert backwards == "llama-2: turns the other way round"
    half_done = check_rotation(
        case, transformers_cos_sin, lambda q, k, c, s: (apply_rotary_pos_emb(q, k, c, s)[0], k)
    )
    assert half_done is not None
    assert "times what is allowed" in half_done


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (None, "must be two tensors, got NoneType"),
        ((torch.zeros(1, 9, 3), torch.zeros(1, 9, 3)), "9 rows of 64 or 128 numbers"),
        ((torch.rand(1, 9, 128), torch.rand(1, 9, 128)), "halves must be equal, or neighbours"),
        ((torch.zeros(()), torch.zeros(())), "9 rows of 64 or 128 numbers"),
    ],
    ids=["nothing", "narrow", "random", "scalar"],
)
def test_what_is_no_table_is_said(found: Any, part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        check_tables(CASES["llama-2"], lambda config, positions: found)


def test_what_is_no_rotation_is_said() -> None:
    case = CASES["llama-2"]
    with pytest.raises(ArgumentError, match="apply must return the turned query and key"):
        check_rotation(case, transformers_cos_sin, lambda *_: None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"apply must keep the key \[1, 2, 9, 128\]"):
        check_rotation(case, transformers_cos_sin, lambda q, k, c, s: (q, k[..., :1]))
    with pytest.raises(ArgumentError, match="layout must be one of"):
        check_rotation(case, transformers_cos_sin, interleaved, layout="both")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="tolerance must be"):
        check_tables(case, transformers_cos_sin, tolerance="loose")  # type: ignore[arg-type]


def test_configs_cannot_be_spoiled_by_those_who_get_them() -> None:
    case = CASES["llama-2"]

    def greedy(config: dict[str, Any], positions: Tensor) -> tuple[Tensor, Tensor]:
        found = transformers_cos_sin(config, positions)
        config["rope_parameters"].clear()
        return found

    check_tables(case, greedy)
    assert case.config["rope_parameters"]["rope_theta"] == 10_000.0


OTHER_PROJECT = """
import pytest
from testing_subject import {function} as cos_sin, apply

@pytest.mark.golden_rotary("yarn", "llama-3.1")
def test_tables(golden_rotary):
    golden_rotary.check_tables(cos_sin)

@pytest.mark.golden_rotary("yarn", "llama-3.1")
def test_rotation(golden_rotary):
    golden_rotary.check_rotation(cos_sin, apply)
"""


@pytest.fixture
def other_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    import sys
    from types import ModuleType

    subject = ModuleType("testing_subject")
    subject.right, subject.inverted = transformers_cos_sin, inverted_yarn  # type: ignore[attr-defined]
    subject.apply = lambda q, k, c, s: phasor_apply(q, k, c, s)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "testing_subject", subject)
    return pytester


def phasor_apply(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    pairs = query.shape[-1] // 2
    cos, sin = cos[..., :pairs], sin[..., :pairs]
    return apply_rotary_pos_emb(query, key, torch.cat([cos, cos], -1), torch.cat([sin, sin], -1))


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    # Given by name too, so that it is there where phasor was installed before the plugin was.
    return project.runpytest_inprocess(
        "-p", "phasor_pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments
    )


def test_a_right_implementation_passes(other_project: pytest.Pytester) -> None:
    other_project.makepyfile(OTHER_PROJECT.format(function="right"))
    result = run(other_project)
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(["*golden rotary*", "10 of 10 agree"])


def test_an_inverted_ramp_fails_and_the_report_says_by_how_much(
    other_project: pytest.Pytester,
) -> None:
    other_project.makepyfile(OTHER_PROJECT.format(function="inverted"))
    result = run(other_project)
    # LLaMA 3.1 is not YaRN.
    result.assert_outcomes(passed=2, failed=8)
    result.stdout.fnmatch_lines(
        [
            "*config: Qwen/Qwen2.5-7B-Instruct, with the YaRN of its model card; numbers: *digits*",
            "*golden rotary*",
            "tables of qwen2.5-yarn: cos or sin off by up to 2* times what is allowed; "
            "pair * turns * times as fast as it should",
            "rotation by qwen2.5-yarn: turned vectors are off by * times what is allowed",
            "2 of 10 agree",
        ]
    )


def test_an_unknown_case_is_said(other_project: pytest.Pytester) -> None:
    other_project.makepyfile(
        OTHER_PROJECT.format(function="right").replace('"yarn", "llama-3.1"', '"yearn"')
    )
    result = run(other_project)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*golden_rotary has no case 'yearn'; there are: *yarn*"])


def test_the_plugin_is_light_and_silent_where_it_is_not_used() -> None:
    import subprocess
    import sys

    code = (
        "import sys, phasor_pytest; "
        "print([name for name in ('torch', 'phasor', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
