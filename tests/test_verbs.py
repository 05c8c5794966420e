"""The verbs in Python: one set of options with the command, results that show themselves."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import phasor
from phasor._bench.options import Options as BenchOptions
from phasor._compare.options import Options as CompareOptions
from phasor._convert.command import Options as ConvertOptions
from phasor._extend.options import Options as ExtendOptions
from phasor._options import as_command
from phasor.cli import app
from phasor.errors import ArgumentError

VERBS: dict[str, Any] = {
    "bench": BenchOptions,
    "compare": CompareOptions,
    "convert": ConvertOptions,
    "extend": ExtendOptions,
}
OF_THE_COMMAND = {"as_json", "help", "detect", "out"}
LLAMA = {"model_type": "llama", "rope_theta": 500000.0, "head_dim": 64, "num_hidden_layers": 2}


@pytest.mark.parametrize("verb", VERBS)
def test_keywords_options_and_defaults_are_the_same(verb: str) -> None:
    parameters = dict(inspect.signature(getattr(phasor, verb)).parameters)
    del parameters["progress"]
    options = {option.name: option for option in get_command(app).commands[verb].params}  # type: ignore[attr-defined]
    assert set(options) - OF_THE_COMMAND == set(parameters) - OF_THE_COMMAND
    for name, parameter in parameters.items():
        option = options[name]
        assert option.required == (parameter.default is parameter.empty) or name == "target"
        if not option.required and name != "target":
            assert option.default == parameter.default
        assert f"    {name}: " in getattr(phasor, verb).__doc__


def test_arguments_are_named_as_each_side_has_them() -> None:
    said = (
        "resume=True needs out=; text= is for task='lm', verify=False (out=) in runs/seeds=3/out=x"
    )
    assert as_command(said, CompareOptions) == (
        "--resume needs --out; --text is for --task lm, verify=False (--out) in runs/seeds=3/out=x"
    )
    assert as_command("pass verify=False", ConvertOptions) == "pass --no-verify"
    with pytest.raises(ArgumentError, match="resume=True needs"):
        phasor.compare(resume=True)
    with pytest.raises(ArgumentError, match="eval_factors= takes numbers"):
        phasor.compare(eval_factors="a")
    with pytest.raises(ArgumentError, match="device= must be auto, cpu or cuda, got 'tpu'"):
        phasor.bench(device="tpu")


def test_a_model_looked_at_shows_itself() -> None:
    found = phasor.inspect(LLAMA, length=4096)
    assert found.length == 4096
    assert "tokens a turn" in repr(found)
    assert "<iframe srcdoc=" in found._repr_html_()
    same, other = phasor.read(LLAMA), phasor.read({**LLAMA, "rope_theta": 10000.0})
    assert not phasor.diff(same, LLAMA)
    assert repr(phasor.diff(same, LLAMA)) == "No difference."
    (sentence,) = phasor.diff(same, other).sentences
    assert "500000.0" in sentence
    assert repr(phasor.diff(same, other)) == sentence


def test_a_comparison_tells_and_shows_what_it_found(tmp_path: Path) -> None:
    events: list[object] = []
    found = phasor.compare(
        encodings=["none", "alibi"], task="parity", train_length=6, eval_factors=[1, 2], seeds=1,
        steps=4, batch_size=2, width=16, layers=1, heads=2, workers=1, out=tmp_path,
        progress=events.append,
    )  # fmt: skip
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("Finished") == 2
    assert kinds[0] == "Started"
    results = found.tasks["parity"]
    assert list(results.encodings["alibi"].exact_match) == ["6", "12"]
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(
        json.dumps(found.to_json())
    )
    assert found.report == tmp_path / "report.html"
    assert results.verdict in " ".join(repr(found).split("\n"))
    assert "<iframe" in found._repr_html_()


def test_a_timing_tells_and_shows_what_it_found() -> None:
    cases: list[Any] = []
    found = phasor.bench(
        device="cpu", shapes=["1x4+2x8x16"], against="none", dtype="float32", layout="half",
        rounds=1, progress=cases.append,
    )  # fmt: skip
    assert [case.dtype for case in cases] == ["float32"]
    assert "copy_" in repr(found)
    assert "<pre>" in found._repr_html_()
