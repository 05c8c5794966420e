"""The whole of it, on a model that was trained for a few seconds."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from extension.redraws import changes
from extension.situations import situation
from extension.tiny_model import TRAINED_LENGTH
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

import phasor
from phasor._extend.findings import Finding
from phasor._extend.methods import candidates
from phasor._extend.options import Options
from phasor._extend.result import Extension
from phasor._extend.run import run
from phasor._extend.store import Measurement
from phasor.cli import app
from phasor.rotary import scaling

TARGET = 256


def measured(folder: Path) -> list[dict[str, Any]]:
    """All measurements, without how long each took."""
    lines = (folder / "measurements.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": None} for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extended")


@pytest.fixture(scope="module")
def extended(checkpoint: Path, folder: Path) -> Extension:
    return phasor.extend(checkpoint, to=TARGET, out=folder / "auto", documents=12)


def findings(extension: Extension) -> dict[str, Finding]:
    return {finding.name: finding for finding in extension.verdict.findings}


class TestWhatIsFound:
    def test_everything_was_measured(self, extended: Extension) -> None:
        assert extended.complete
        assert [finding.documents for finding in extended.verdict.findings] == [12] * 6

    def test_nothing_beats_the_context_cut_at_the_end(self, extended: Extension) -> None:
        """No training has seen that far, so the dashed line stays below all."""
        last = {name: sum(f.excess[-4:]) / 4 for name, f in findings(extended).items()}
        assert min(last.values()) > 0
        assert last["none"] > max(last["ntk"], last["yarn"]) + 0.1

    def test_linear_costs_most_within_the_trained_length(self, extended: Extension) -> None:
        cost = {name: f.regression for name, f in findings(extended).items() if f.regression}
        assert set(cost) == {"linear", "ntk", "dynamic_ntk", "yarn", "llama3"}
        low = cost["linear"].low
        assert low is not None
        assert all(low > c.mean for name, c in cost.items() if name != "linear")

    def test_the_model_as_it_is_holds_within_its_length_and_not_to_the_target(
        self, extended: Extension
    ) -> None:
        found = findings(extended)
        for bin_end, excess in zip(extended.verdict.edges[1:], found["none"].excess, strict=True):
            if bin_end <= TRAINED_LENGTH:
                assert abs(excess) < 1e-5
        assert found["none"].effective is not None
        assert TRAINED_LENGTH <= found["none"].effective < TARGET
        assert found["none"].at_most is not None
        assert found["none"].at_most < TARGET

    def test_dynamic_ntk_and_ntk_lose_least_and_cannot_be_told_apart(
        self, extended: Extension
    ) -> None:
        """Not with all 32 documents either."""
        verdict = extended.verdict
        assert (verdict.best, verdict.written in verdict.tied) == (None, True)
        assert set(verdict.tied) >= {"ntk", "dynamic_ntk"}
        assert not {"none", "linear"} & set(verdict.tied)
        assert verdict.sentence.startswith("Cannot tell ntk")

    def test_byte_prompts_have_no_room_for_a_pass_key(self, extended: Extension) -> None:
        assert "no pass key was asked for" in extended.verdict.sentence


class TestWhatIsWritten:
    def test_files(self, extended: Extension, folder: Path) -> None:
        names = {file.name for file in (folder / "auto").iterdir()}
        assert names >= {
            "config.json", "model.safetensors", "tokenizer.json", "extension.json",
            "measurements.jsonl", "report.html",
        }  # fmt: skip
        assert not [file for file in folder.iterdir() if file.name.startswith((".auto", "auto."))]
        assert json.loads((folder / "auto" / "extension.json").read_text()) == json.loads(
            json.dumps(extended.to_json())
        )

    def test_stock_transformers_gives_the_logits_of_the_scaled_frequencies(
        self, checkpoint: Path, folder: Path
    ) -> None:
        """Written through the command with YaRN alone; compared with a config written by hand."""
        done = CliRunner().invoke(
            app,
            ["extend", str(checkpoint), "--to", str(TARGET), "--methods", "yarn", "--documents",
             "12", "--passkeys", "0", "--device", "cpu", "--out", str(folder / "yarn"), "--json"],
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["verdict"]["written"] == "yarn"
        by_hand = AutoConfig.from_pretrained(checkpoint)
        by_hand.rope_parameters = {
            "rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0,
            "original_max_position_embeddings": TRAINED_LENGTH,
        }  # fmt: skip
        by_hand.max_position_embeddings = TARGET
        wanted = AutoModelForCausalLM.from_pretrained(checkpoint, config=by_hand)
        found = AutoModelForCausalLM.from_pretrained(folder / "yarn")
        before = AutoModelForCausalLM.from_pretrained(checkpoint)
        text = (checkpoint / "config.json").read_text()[:TARGET]
        tokens = AutoTokenizer.from_pretrained(folder / "yarn")(text, return_tensors="pt")
        with torch.no_grad():
            logits = found(**tokens).logits
            torch.testing.assert_close(logits, wanted(**tokens).logits, atol=1e-5, rtol=1e-5)
            assert (logits - before(**tokens).logits).abs().max() > 0.1

    def test_both_spellings_say_the_same(self, folder: Path) -> None:
        """After the test above has written it."""
        written = json.loads((folder / "yarn" / "config.json").read_text())
        scaled = {
            "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": TRAINED_LENGTH
        }  # fmt: skip
        assert written["rope_parameters"] == scaled | {"rope_theta": 10_000.0}
        assert written["rope_scaling"] == scaled
        assert written["rope_theta"] == 10_000.0
        assert written["max_position_embeddings"] == TARGET
        for left_out in (["rope_parameters"], ["rope_theta", "rope_scaling"]):
            one = {key: value for key, value in written.items() if key not in left_out}
            (layer, *_) = phasor.read(one).layers
            (rotation,) = layer.encodings
            assert rotation.scaling == scaling.yarn(factor=4.0, original_seq_len=TRAINED_LENGTH)  # type: ignore[union-attr]
            config: Any = AutoConfig.for_model(**one)
            assert config.rope_parameters == written["rope_parameters"]

    def test_a_larger_base_leaves_no_scaling(self, checkpoint: Path, folder: Path) -> None:
        found = phasor.extend(
            checkpoint, to=TARGET, methods=["ntk"], out=folder / "ntk", documents=12, passkeys=0
        )
        assert found.verdict.written == "ntk"
        written = json.loads((folder / "ntk" / "config.json").read_text())
        base = 10_000.0 * 4 ** (16 / 14)
        assert written["rope_theta"] == written["rope_parameters"]["rope_theta"]
        assert written["rope_theta"] == pytest.approx(base)
        assert "rope_scaling" not in written
        assert set(found.fields) == {
            "rope_parameters", "rope_theta", "max_position_embeddings", "tokenizer_class"
        }  # fmt: skip

    def test_the_source_is_as_it_was(self, checkpoint: Path) -> None:
        assert not [file for file in checkpoint.parent.iterdir() if file != checkpoint]
        written = json.loads((checkpoint / "config.json").read_text())
        assert written["max_position_embeddings"] == TRAINED_LENGTH


_KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from phasor._extend.options import Options
from phasor._extend.run import run
from phasor._extend.store import Measurement

ended = []

def watch(event):
    if isinstance(event, Measurement):
        ended.append(event)
    if len(ended) == 20:
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
run(Options(sys.argv[1], to=256, out=Path(sys.argv[2]), documents=12), watch)
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(
    checkpoint: Path, extended: Extension, folder: Path
) -> None:
    out = folder / "killed"
    done = subprocess.run([sys.executable, "-c", _KILLED, str(checkpoint), str(out)], timeout=240)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(measured(folder / "killed.measuring")) == 20
    with pytest.raises(phasor.errors.ArgumentError, match=r"holds 20 measurements .* resume=True"):
        phasor.extend(checkpoint, to=TARGET, out=out, documents=12)
    again = phasor.extend(checkpoint, to=TARGET, out=out, documents=12, resume=True)
    assert again == extended
    assert measured(out) == measured(folder / "auto")
    assert not (folder / "killed.measuring").exists()


def test_a_budget_of_nothing_measures_nothing_and_recommends_nothing(
    checkpoint: Path, tmp_path: Path
) -> None:
    found = phasor.extend(checkpoint, to=TARGET, out=tmp_path / "out", budget=0.0)
    assert not found.complete
    assert found.verdict.best is None
    assert not (tmp_path / "out" / "config.json").exists()
    assert "The budget ended" in (tmp_path / "out" / "report.html").read_text()


def test_the_table_fits_a_narrow_terminal(checkpoint: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["extend", str(checkpoint), "--to", "128", "--documents", "1", "--device", "cpu"],
        env={"COLUMNS": "80"},
    )
    assert done.exit_code == 0, done.output
    assert "From 64 to 128 tokens, by a factor of 2." in done.output
    assert "holds to" in done.output
    assert "Next: the same with --out DIR" in done.output
    for name in ("none", "linear", "ntk", "dynamic_ntk", "yarn", "llama3"):
        (row,) = [line for line in done.output.splitlines() if line.startswith(f"{name} ")]
        assert len(row) <= 80


def test_of_few_documents_no_other_method_is_recommended(checkpoint: Path, tmp_path: Path) -> None:
    """Measured, 32 documents, 4 of them drawn again and again."""
    phasor.extend(checkpoint, to=TARGET, out=tmp_path / "out", documents=32)
    lines = map(json.loads, (tmp_path / "out" / "measurements.jsonl").read_text().splitlines())
    made = [
        Measurement(**{k: v for k, v in line.items() if k != "setup"} | {"values": line["values"]})
        for line in lines
        if line["length"] == TARGET
    ]
    found = candidates(["auto"], situation(trained=TRAINED_LENGTH, target=TARGET))
    assert changes(made, found, documents=4, redraws=200) < 0.1


def test_a_run_whose_budget_ended_goes_on_where_it_ended(
    checkpoint: Path, extended: Extension, folder: Path
) -> None:
    """By what lies at its folder alone, which stays until another result takes its place."""
    out = folder / "ended"
    first = phasor.extend(checkpoint, to=TARGET, out=out, documents=12, budget=0.0)
    assert not first.complete
    assert not (folder / "ended.measuring").exists()
    with pytest.raises(phasor.errors.ArgumentError, match=r"exists already; .* add resume=True"):
        phasor.extend(checkpoint, to=TARGET, out=out, documents=12)

    seen: list[Measurement] = []

    def stop(event: object) -> None:
        if isinstance(event, Measurement):
            seen.append(event)
            if len(seen) == 30:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Options(checkpoint, to=TARGET, out=out, documents=12, resume=True), stop)
    assert "The budget ended" in (out / "report.html").read_text()
    assert len(measured(folder / "ended.measuring")) == 30 + len(measured(out))
    again = phasor.extend(checkpoint, to=TARGET, out=out, documents=12, resume=True)
    assert again == extended
    assert measured(out) == measured(folder / "auto")
    assert not [file for file in folder.iterdir() if "ended" in file.name and file != out]
    # What ended as planned goes on as well, with more documents.
    before = measured(out)
    more = phasor.extend(checkpoint, to=TARGET, out=out, documents=14, resume=True)
    assert [finding.documents for finding in more.verdict.findings] == [14] * 6
    assert measured(out)[: len(before)] == before
    assert not (folder / "ended.measuring").exists()


def test_text_that_the_model_reads_no_better_than_a_guess(checkpoint: Path, tmp_path: Path) -> None:
    """Random letters of another alphabet, against a loss from transformers itself."""
    letters = torch.randint(0x4E00, 0x9FA5, (4000,), generator=torch.Generator().manual_seed(0))
    (tmp_path / "a.txt").write_text("".join(map(chr, letters.tolist())), encoding="utf-8")
    tokens = AutoTokenizer.from_pretrained(checkpoint)((tmp_path / "a.txt").read_text())
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint)
    row = torch.tensor([tokens.input_ids[: TRAINED_LENGTH + 1]])
    with torch.no_grad():
        assert model(row, labels=row).loss > math.log(256)
    with pytest.raises(
        phasor.errors.ArgumentError, match=r"more than a guess among its 256 tokens would \(5.55\)"
    ):
        phasor.extend(checkpoint, to=TARGET, text=tmp_path, out=tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_not_read_of_the_text_is_said(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("def f(x):\n    return x\n" * 100)
    (tmp_path / "b.pyc").write_bytes(bytes(range(256)) * 40)
    done = CliRunner().invoke(
        app, ["extend", str(checkpoint), "--to", "128", "--text", str(tmp_path), "--device", "cpu",
              "--documents", "1", "--methods", "yarn"], env={"COLUMNS": "200"},
    )  # fmt: skip
    assert "Not read of the text: 1 file is not text (b.pyc)." in done.output
