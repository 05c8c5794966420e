"""The command from outside: what it prints, what it leaves, what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from phasor import __version__
from phasor.cli import app

SMALL = (
    "--train-length=16", "--eval-factors=1,2", "--seeds=2", "--steps=40", "--batch-size=4",
    "--width=16", "--layers=1", "--heads=2", "--encodings=none,learned,rotary,alibi",
)  # fmt: skip

PHASOR = (sys.executable, "-m", "phasor")


def phasor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PHASOR, *arguments],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a group of its own, of which nothing is left afterwards."""
    process = subprocess.Popen(
        [*PHASOR, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell ignores Ctrl-C for what it runs in the background, and so would its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, folder_of_text: Path) -> Path:
    """A folder with a finished comparison."""
    out = tmp_path_factory.mktemp("finished")
    run = phasor("compare", *SMALL, f"--text={folder_of_text}", f"--out={out}", "--workers=2")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert lines[0] == "8 trials to run"
    assert len([line for line in lines if re.match(r"\[\d/8\] \w+ seed \d: ", line)]) == 8
    assert any(line.startswith("At the training length of 16: ") for line in lines)
    assert lines[-1] == f"Report: {out / 'report.html'} (open it in a browser)"
    return out


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def without_clocks(value: object) -> object:
    """Everything but what a stopwatch, a memory meter or the command line gave."""
    if isinstance(value, dict):
        left_out = {"tokens_per_second", "peak_memory", "seconds"}
        return {key: without_clocks(item) for key, item in value.items() if key not in left_out}
    return value


def test_results_hold_what_scripts_rely_on(finished: Path, folder_of_text: Path) -> None:
    found = results(finished)
    assert list(found["encodings"]) == ["none", "learned", "rotary", "alibi"]
    for summary in found["encodings"].values():
        for length in ("16", "32"):
            cell = summary["loss"][length]
            assert cell["low"] <= cell["mean"] <= cell["high"]
            assert len(cell["seeds"]) == 2
            assert cell["mean"] == pytest.approx(sum(cell["seeds"]) / 2)
        assert summary["tokens_per_second"] > 0
        assert summary["train_loss"] > 0
    assert found["encodings"]["learned"]["parameters"] == 32 * 16
    assert found["config"]["eval_lengths"] == [16, 32]
    assert found["text"]["source"] == str(folder_of_text)
    assert found["text"]["bytes"] == sum(f.stat().st_size for f in folder_of_text.iterdir())
    assert re.fullmatch("[0-9a-f]{64}", found["text"]["sha256"])
    assert {"phasor", "python", "torch"} <= set(found["versions"])
    assert found["machine"]["cores"] >= 1
    assert all(answer["holds"] for answer in found["known_answers"])
    assert len((finished / "trials.jsonl").read_text().splitlines()) == 8


def test_another_number_of_workers_gives_the_same_numbers(
    finished: Path, folder_of_text: Path, tmp_path: Path
) -> None:
    run = phasor("compare", *SMALL, f"--text={folder_of_text}", f"--out={tmp_path}", "--workers=1")
    assert run.returncode == 0, run.stderr
    assert without_clocks(results(tmp_path)) == without_clocks(results(finished))


def test_killed_and_resumed_it_gives_the_same_table(
    finished: Path, folder_of_text: Path, tmp_path: Path
) -> None:
    arguments = ("compare", *SMALL, f"--text={folder_of_text}", f"--out={tmp_path}", "--workers=2")
    file = tmp_path / "trials.jsonl"
    with running(*arguments) as process:
        deadline = time.monotonic() + 120
        while not (file.exists() and file.read_text().count("\n") >= 2):
            assert time.monotonic() < deadline
            assert process.poll() is None, "it finished before it could be killed"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = file.read_text().count("\n")
    assert 2 <= kept < 8
    assert not (tmp_path / "results.json").exists()
    resumed = phasor(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.startswith(f"{8 - kept} trials to run, {kept} kept from before")
    assert without_clocks(results(tmp_path)) == without_clocks(results(finished))


def test_more_seeds_can_be_added(finished: Path, folder_of_text: Path, tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_bytes((finished / "trials.jsonl").read_bytes())
    more = [argument for argument in SMALL if not argument.startswith(("--seeds", "--enc"))]
    run = phasor(
        "compare", *more, "--seeds=3", "--encodings=rotary", f"--text={folder_of_text}",
        f"--out={tmp_path}", "--resume",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("1 trial to run, 2 kept from before")
    assert results(tmp_path)["config"]["seeds"] == [0, 1, 2]


def test_a_worker_that_dies_is_reported_and_nothing_is_lost(
    folder_of_text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    endless = [*SMALL[:3], "--steps=100000", *SMALL[4:]]
    with running(
        "compare", *endless, f"--text={folder_of_text}", f"--out={out}", "--workers=1"
    ) as process:
        deadline = time.monotonic() + 60
        worker = None
        while worker is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            # The server that trials are forked from is the command's child; a trial is its child.
            below = psutil.Process(process.pid).children(recursive=True)
            busy = [child for child in below if child.cpu_times().user > 0.3]
            leaves = [child for child in busy if not child.children()]
            worker = next(iter(leaves), None) if len(below) >= 3 else None
        time.sleep(0.5)
        worker.kill()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the process of none with seed 0 died (signal SIGKILL" in stderr
    assert f"go on with --resume --out {out}" in stderr
    assert "Traceback" not in stderr


def test_training_that_diverges_is_reported(folder_of_text: Path, tmp_path: Path) -> None:
    run = phasor(
        "compare", *SMALL, f"--text={folder_of_text}", f"--out={tmp_path}", "--learning-rate=1e30"
    )
    assert run.returncode == 1
    assert "the loss became nan by step" in run.stderr
    assert "repeat with a lower --learning-rate than 1e+30, into a new --out" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_model_that_its_last_step_destroyed_is_not_measured(
    folder_of_text: Path, tmp_path: Path
) -> None:
    run = phasor(
        "compare", *SMALL, f"--text={folder_of_text}", f"--out={tmp_path}",
        "--learning-rate=1e38", "--steps=1",
    )  # fmt: skip
    assert run.returncode == 1
    assert "the loss became nan by step 1" in run.stderr
    assert not (tmp_path / "results.json").exists()


def test_an_odd_folder_name(folder_of_text: Path, tmp_path: Path) -> None:
    out = tmp_path / "x[b] [/b]"
    run = phasor("compare", *SMALL, "--encodings=none", f"--text={folder_of_text}", f"--out={out}")
    assert run.returncode == 0, run.stderr
    assert run.stdout.rstrip().endswith(f"Report: {out / 'report.html'} (open it in a browser)")


def test_results_that_cannot_be_written(folder_of_text: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    run = phasor(
        "compare", *SMALL, "--encodings=none", f"--text={folder_of_text}", f"--out={tmp_path}"
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert f"finished trials are kept: go on with --resume --out {tmp_path}" in run.stderr


def group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("after", [0.0, 0.5, 1.5, 3.0, 5.0])
def test_ctrl_c(folder_of_text: Path, tmp_path: Path, after: float) -> None:
    """Whenever it comes, while the server imports or trials run: no traceback, no worker left."""
    endless = [*SMALL[:3], "--steps=100000", *SMALL[4:]]
    with running(
        "compare", *endless, f"--text={folder_of_text}", f"--out={tmp_path}", "--workers=2"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "8 trials to run\n"
        time.sleep(after)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        deadline = time.monotonic() + 5
        while group_is_alive(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert process.returncode == 130
    assert stderr == (
        f"Error: stopped; finished trials are kept: go on with --resume --out {tmp_path}\n"
    )


def test_variants_by_their_spelling(folder_of_text: Path, tmp_path: Path) -> None:
    spellings = [
        "rotary(base=500000)",
        "rotary(rotary_dim=4, layout=interleaved)",
        "rotary(scaling=yarn(factor=4, original_seq_len=16))",
        "rotary(scaling=linear(factor=2))",
    ]
    run = phasor(
        "compare", *SMALL, f"--encodings={','.join(spellings)}", f"--text={folder_of_text}",
        f"--out={tmp_path}", "--seeds=1",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = results(tmp_path)
    assert list(found["encodings"]) == [spelling.replace(" ", "") for spelling in spellings]
    losses = [summary["loss"]["16"]["mean"] for summary in found["encodings"].values()]
    assert len(set(losses)) == len(losses)
    assert all(answer["holds"] for answer in found["known_answers"])


def test_fewer_encodings_do_not_shrink_the_results(
    finished: Path, folder_of_text: Path, tmp_path: Path
) -> None:
    (tmp_path / "trials.jsonl").write_bytes((finished / "trials.jsonl").read_bytes())
    run = phasor(
        "compare", *SMALL, "--encodings=rotary", "--seeds=1", f"--text={folder_of_text}",
        f"--out={tmp_path}", "--resume",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = results(tmp_path)
    assert set(found["encodings"]) == set(results(finished)["encodings"])
    assert found["config"]["seeds"] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encodings=rotery"], "there is no encoding 'rotery'. Did you mean 'rotary'?"),
        (["--encodings=rotary,rotary"], "name each encoding once"),
        (["--encodings=rotary(bas=5)"], "rotary has no argument 'bas'. Did you mean 'base'?"),
        (["--encodings=rotary(base=-5)"], "rotary(base=-5): base must be a positive number"),
        (["--encodings=rotary(base=x)"], "rotary(base=x): "),
        (["--encodings=rotary(5)"], "cannot read the encoding 'rotary(5)'; write a name, or"),
        (["--encodings=rotary(base=5"], "cannot read the encoding 'rotary(base=5'"),
        (["--encodings=__import__('os')"], "cannot read the encoding"),
        (
            ["--encodings=rotary(scaling=yarm(factor=2))"],
            "there is no scaling 'yarm'. Did you mean 'yarn'?",
        ),
        (["--encodings=rotary(scaling=yarn(factor=2))"], "missing 1 required keyword-only"),
        (
            ["--encodings=rotary(scaling=dynamic_ntk(factor=2,original_seq_len=8))"],
            "depends on the length of the sequence",
        ),
        (["--encodings=,"], "name each encoding once, and at least one"),
        (["--task=cpoy"], "there is no task 'cpoy'. Did you mean 'copy'?"),
        (["--text=missing.txt"], "there is no text at missing.txt"),
        (["--text=empty.txt"], "there is no text in"),
        (["--text=tiny.txt"], "the text to train on is too small: a window takes 16 bytes"),
        (["--task=copy", "--text=tiny.txt"], "--text is for --task lm"),
        (["--task=copy,cuont"], "there is no task 'cuont'. Did you mean 'count'?"),
        (["--task=copy,copy"], "name each task once, and at least one; got copy, copy"),
        (["--task=all,copy"], "name each task once, and at least one; got lm, copy"),
        (["--task=,"], "name each task once, and at least one; got -"),
        (["--task=copy,sort", "--text=tiny.txt"], "--text is for --task lm; copy, sort"),
        (["--task=copy,induction", "--train-length=3"], "at least 4 to go on with a string"),
        (["--task=copy,sort", "--out=tiny.txt"], "cannot write to tiny.txt/copy"),
        (["--encodings=all,rotary"], "name each encoding once"),
        (["--encodings=all,rotery"], "there is no encoding 'rotery'. Did you mean 'rotary'?"),
        (["--width=6", "--heads=2"], "even number of channels per head"),
        (["--width=16", "--heads=3"], "width must be a multiple of heads"),
        (["--seeds=0"], "there must be at least one seed, got 0"),
        (["--seeds=-1"], "there must be at least one seed"),
        (["--workers=0"], "there must be at least one worker, got 0"),
        (["--steps=0"], "steps must be positive, got 0"),
        (["--learning-rate=inf"], "learning_rate must be positive, got inf"),
        (["--eval-factors=1,x"], "--eval-factors takes numbers separated by commas, got '1,x'"),
        (["--eval-factors=0.5"], "at least 1, got '0.5'"),
        (["--device=tpu"], "--device must be auto, cpu or cuda, got 'tpu'"),
        (["--out=tiny.txt"], "cannot write to tiny.txt"),
        (["--resume"], "--resume needs the folder to go on with: add --out DIR"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_sentence(
    tmp_path: Path,
    folder_of_text: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "tiny.txt").write_text("too little")
    usual = list(SMALL)
    if not any(argument.startswith("--te") for argument in arguments) and "--task" not in str(
        arguments
    ):
        usual.append(f"--text={folder_of_text}")
    before = sorted(tmp_path.rglob("*"))
    run = CliRunner().invoke(app, ["compare", *usual, *arguments])
    assert run.exit_code == 2
    assert message in run.stderr
    assert run.stderr.startswith("Error: ")
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "tiny.txt").read_text() == "too little"


def test_the_results_of_another_configuration(finished: Path, folder_of_text: Path) -> None:
    before = {file: file.read_bytes() for file in finished.iterdir()}
    run = phasor(
        "compare", *SMALL, f"--text={folder_of_text}", f"--out={finished}", "--resume",
        "--learning-rate=0.001",
    )  # fmt: skip
    assert run.returncode == 2
    assert "learning_rate is 0.003 there and 0.001 here" in run.stderr
    again = phasor("compare", *SMALL, f"--text={folder_of_text}", f"--out={finished}")
    assert again.returncode == 2
    assert "already holds 8 trials; add --resume" in again.stderr
    assert {file: file.read_bytes() for file in finished.iterdir()} == before


def test_the_list_of_encodings() -> None:
    rows = json.loads(phasor("encodings", "--json").stdout)
    names = [row["name"] for row in rows]
    assert names[0] == "none"
    assert {"learned", "rotary", "alibi", "t5", "fox", "shaw", "path"} < set(names)
    learned = rows[names.index("learned")]
    assert learned["sites"] == ["embedding"]
    assert learned["parameters"] == 1024 * 768
    assert learned["paper"] == "arXiv:1705.03122"
    table = phasor("encodings").stdout
    assert all(row["name"] in table and row["paper"] in table for row in rows)


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"phasor {__version__}\n"


def test_json_goes_to_standard_output_alone(folder_of_text: Path, tmp_path: Path) -> None:
    fast = [argument for argument in SMALL if not argument.startswith("--enc")]
    run = phasor(
        "compare", *fast, "--task=count", "--encodings=alibi", f"--out={tmp_path}", "--json"
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found == results(tmp_path)
    assert set(found["encodings"]["alibi"]["exact_match"]) == {"16", "32"}
    assert "Sequences answered exactly: " in run.stderr
