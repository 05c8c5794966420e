"""The arithmetic behind the pictures of Learn, run by node beside phasor and the golden tables."""

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

import phasor
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.phase import angles
from phasor.testing import GoldenRotary, golden_cases

PHASE = Path(__file__).parents[2] / "docs/assets/phasor/phase.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node on this machine")

ULP = 2.0**-52
SHAPES = [(dim, base) for dim in (8, 64, 80, 128, 256) for base in (100.0, 1e4, 5e5, 1e6, 8e6)]


def node(body: str, given: Any) -> Any:
    """What `body`, an expression over `given` and the module `p`, is worth in node."""
    script = (
        f"const p = require({json.dumps(str(PHASE))});"
        "const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        f"const found = {body};"
        "console.log(JSON.stringify(found, (_, v) => typeof v === 'bigint' ? String(v) : v));"
    )
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", script], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def frequencies_of(inv_freq: list[float]) -> Frequencies:
    return Frequencies(torch.tensor([inv_freq], dtype=torch.float64))


def test_turns_are_those_of_phasor_to_the_last_bit() -> None:
    powers = [10.0**exponent for exponent in range(-308, 3)]
    random = torch.rand(2000, dtype=torch.float64).tolist()
    numbers = [0.0, 5e-324, math.pi, 2 * math.pi, 1.0, *powers, *random]
    numbers += [-number for number in numbers]
    found = node("given.map((each) => p.turns(each))", numbers)
    assert [int(each) for each in found] == frequencies_of(numbers).turns[0].tolist()


def test_phases_and_angles_are_those_of_phasor_to_the_last_bit() -> None:
    positions = [0, 1, 2**31 - 1, 2**31, *torch.randint(2**31, (500,)).tolist()]
    inv_freq = [*phasor.geometric(64, 5e5).inv_freq[0].tolist(), 0.3, 3.0, 6.0]
    frequencies = frequencies_of(inv_freq)
    given = {"positions": positions, "radians": inv_freq}
    phases = node(
        "given.positions.map((m) => given.radians.map((each) => p.phase(m, p.turns(each))))", given
    )
    expected = torch.tensor(positions)[:, None] * frequencies.turns
    assert [[int(each) for each in row] for row in phases] == expected.tolist()
    found = node("given.positions.map((m) => given.radians.map((each) => p.angle(m, each)))", given)
    assert found == angles(torch.tensor(positions), frequencies).tolist()


@pytest.mark.parametrize("case", golden_cases(), ids=str)
def test_golden_tables(case: GoldenRotary) -> None:
    given = {"positions": case.positions, "radians": case.inv_freq, "gain": case.attention_factor}
    table = "given.positions.map((m) => given.radians.map((each) => p.angle(m, each)))"
    ours = angles(torch.tensor(case.positions), frequencies_of(list(case.inv_freq)))
    assert node(table, given) == ours.tolist()
    rows = node(
        "given.positions.map((m) => p.cosSin(m, {invFreq: given.radians, gain: given.gain}))", given
    )
    # The golden angles have 12 digits, and their frequencies were rounded after the product.
    tolerance = case.attention_factor * (1e-11 + max(case.positions) * ULP * max(case.inv_freq))
    for wave, golden in zip(("cos", "sin"), case.cos_sin(), strict=True):
        found = torch.tensor([row[wave] for row in rows], dtype=torch.float64)
        torch.testing.assert_close(found, golden, rtol=0, atol=tolerance)


def test_frequencies_are_geometric() -> None:
    """To the last bit but one: a power is rounded by node and by Python each in its way."""
    found = node("given.map(([dim, base]) => p.geometric(dim, base).invFreq)", SHAPES)
    for (dim, base), inv_freq in zip(SHAPES, found, strict=True):
        expected = phasor.geometric(dim, base).inv_freq[0]
        torch.testing.assert_close(
            torch.tensor(inv_freq, dtype=torch.float64), expected, rtol=2 * ULP, atol=0
        )


@pytest.mark.parametrize(
    ("name", "js", "python"),
    [
        ("linear", {"factor": 4}, phasor.scaling.linear(factor=4)),
        ("ntk", {"factor": 8}, phasor.scaling.ntk(factor=8)),
        (
            "yarn",
            {"factor": 8, "originalSeqLen": 4096},
            phasor.scaling.yarn(factor=8, original_seq_len=4096),
        ),
        (
            "yarn",
            {"factor": 1, "originalSeqLen": 2048, "betaFast": 1, "betaSlow": 1},
            phasor.scaling.yarn(factor=1, original_seq_len=2048, beta_fast=1, beta_slow=1),
        ),
        ("llama3", {"factor": 8}, phasor.scaling.llama3(factor=8)),
        (
            "llama3",
            {"factor": 32, "lowFreqFactor": 1, "highFreqFactor": 1, "originalSeqLen": 512},
            phasor.scaling.llama3(
                factor=32, low_freq_factor=1, high_freq_factor=1, original_seq_len=512
            ),
        ),
    ],
)
def test_scalings(name: str, js: dict[str, float], python: phasor.scaling.Scaling) -> None:
    found = node(
        f"given.shapes.map(([dim, base]) => p.scaling.{name}(given.js)(p.geometric(dim, base)))",
        {"shapes": SHAPES, "js": js},
    )
    for (dim, base), each in zip(SHAPES, found, strict=True):
        expected = python(phasor.geometric(dim, base))
        inv_freq = torch.tensor([each["invFreq"]], dtype=torch.float64)
        torch.testing.assert_close(inv_freq, expected.inv_freq, rtol=16 * ULP, atol=0)
        assert each["gain"] == pytest.approx(expected.attention_scale, rel=4 * ULP)
        assert each["base"] == pytest.approx(expected.base, rel=16 * ULP)


def test_longrope_takes_its_list_by_the_length() -> None:
    short, long = [1.0, 1.5, 2.0, 2.5], [1.0, 4.0, 16.0, 64.0]
    scaling = phasor.scaling.longrope(
        short_factor=short, long_factor=long, original_seq_len=4096, factor=32
    )
    found = node(
        "given.lengths.map((n) => p.scaling.longrope(given.js).at(n)(p.geometric(8)))",
        {
            "lengths": [4096, 4097],
            "js": {"shortFactor": short, "longFactor": long, "originalSeqLen": 4096, "factor": 32},
        },
    )
    for length, each in zip((4096, 4097), found, strict=True):
        expected = scaling.at(length)(phasor.geometric(8))
        assert each["invFreq"] == pytest.approx(expected.inv_freq[0].tolist(), rel=4 * ULP)
        assert each["gain"] == pytest.approx(expected.attention_scale, rel=4 * ULP)


def test_what_cannot_turn_is_refused() -> None:
    given = "(() => { try { p.turns(1e300) } catch (error) { return error.message } })()"
    assert node(given, None) == "a pair cannot turn 1e+300 radians per token"
