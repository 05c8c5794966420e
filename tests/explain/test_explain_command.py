"""`phasor explain` on the command line, and the script that keeps measured rows."""

import importlib.util
import json
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import phasor
from phasor.cli import app

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["explain", *arguments])


def test_it_prints_what_python_gives() -> None:
    done = run("alibi")
    assert done.exit_code == 0
    assert "score − slopeₕ · |m − n|" in done.stdout
    found = json.loads(run("alibi", "--json").stdout)
    assert found == json.loads(json.dumps(phasor.explain("alibi").as_json()))
    assert found["parts"][0]["chapter"] == "07-biases"


def test_pairs_that_stand_still_are_null_in_json() -> None:
    (part,) = json.loads(run("drop_slow", "--json").stdout)["parts"]
    wavelengths = [pair["wavelength"] for pair in part["pairs"]["pairs"]]
    assert wavelengths[0] == pytest.approx(6.283185307)
    assert wavelengths[-1] is None


def test_unknown_names_fail_in_a_sentence() -> None:
    done = run("rotry")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "Error: there is no encoding, scaling, word or checkpoint 'rotry'"
    )
    assert "Did you mean 'rotary'?" in done.stderr


def test_html_opens_the_chapter_or_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phasor, "__file__", str(tmp_path / "__init__.py"))
    done = run("yarn", "--html")
    assert done.exit_code == 1
    assert "the chapter 'Stretching' is not in this installation" in done.stderr
    page = tmp_path / "_site" / "learn" / "09-stretching.html"
    page.parent.mkdir(parents=True)
    page.touch()
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    done = run("yarn", "--html")
    assert done.exit_code == 0
    assert opened == [page.as_uri()]
    assert str(page) in done.stdout


def test_rows_are_kept_as_the_comparison_found_them(tmp_path: Path) -> None:
    found = phasor.compare(
        encodings=["none", "alibi"], text=ROOT / "src" / "phasor", train_length=8,
        eval_factors=[1, 2], seeds=2, steps=2, batch_size=2, width=16, layers=1, heads=2,
        workers=1, out=tmp_path / "run", progress=lambda event: None,
    )  # fmt: skip
    place = ROOT / "benchmarks" / "measured_rows.py"
    described = importlib.util.spec_from_file_location("measured_rows", place)
    assert described is not None
    assert described.loader is not None
    script = importlib.util.module_from_spec(described)
    described.loader.exec_module(script)
    kept = script.rows(found.tasks["lm"])
    assert json.loads(json.dumps(kept))["rows"]["alibi"].keys() == {"8", "16"}
    cell = found.tasks["lm"].encodings["alibi"].loss["16"]
    assert kept["rows"]["alibi"]["16"] == pytest.approx([cell.mean, cell.low, cell.high], abs=1e-5)
    assert kept["seeds"] == 2
    assert kept["train_length"] == 8
