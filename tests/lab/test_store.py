"""Finished trials survive anything; what does not belong together is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from phasor._compare.store import open_store
from phasor._compare.trial import Trial
from phasor._kit.files import write_atomically
from phasor.errors import ArgumentError

SETUP = {"steps": 5, "text_sha256": "abc", "eval_lengths": (8, 16)}

TRIAL = Trial(
    encoding="rotary",
    seed=0,
    loss={"8": 1.0 / 3.0},
    token_accuracy={"8": 0.5},
    exact_match={},
    position=[0.5],
    position_loss=[2.0],
    order_distance=[1],
    order_sensitivity=[0.1],
    score_by_distance=[0.0],
    shift_spread=1e-17,
    embedding_gain=None,
    query_key_gain=1.0,
    norm_error=0.0,
    additive_ratio=None,
    parameters=0,
    model_parameters=10,
    train_step=[5],
    train_loss_curve=[3.0],
    tokens_per_second=1e4,
    peak_memory=1 << 20,
    seconds=1.5,
)


def fill(folder: Path, *seeds: int) -> None:
    with open_store(folder, SETUP, resume=(folder / "trials.jsonl").exists()) as store:
        for seed in seeds:
            store.add(replace(TRIAL, seed=seed))


def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    fill(tmp_path / "new" / "folder", 0, 1)
    with open_store(tmp_path / "new" / "folder", SETUP, resume=True) as store:
        assert store.trials == [TRIAL, replace(TRIAL, seed=1)]


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path: Path, cut: int) -> None:
    fill(tmp_path, 0, 1)
    file = tmp_path / "trials.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    with open_store(tmp_path, SETUP, resume=True) as store:
        assert store.trials == [TRIAL]
        store.add(replace(TRIAL, seed=2))
    with open_store(tmp_path, SETUP, resume=True) as store:
        assert [trial.seed for trial in store.trials] == [0, 2]


def test_without_resume_nothing_is_overwritten(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    before = (tmp_path / "trials.jsonl").read_bytes()
    with (
        pytest.raises(ArgumentError, match=r"already holds 1 trials; add resume=True"),
        open_store(tmp_path, SETUP, resume=False),
    ):
        pass
    assert (tmp_path / "trials.jsonl").read_bytes() == before


def test_another_configuration_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    with (
        pytest.raises(ArgumentError, match=r"another configuration: steps is 5 there and 6 here"),
        open_store(tmp_path, {**SETUP, "steps": 6}, resume=True),
    ):
        pass


@pytest.mark.parametrize(
    "damage",
    [
        "no json\n",
        "\xff\xfe\n",
        "{}\n",
        "[1]\n",
        json.dumps({"setup": {}, "encoding": "rotary"}) + "\n",
    ],
)
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, 0)
    file = tmp_path / "trials.jsonl"
    file.write_bytes(damage.encode("latin-1") + file.read_bytes())
    before = file.read_bytes()
    with (
        pytest.raises(ArgumentError, match=r"is damaged .* \(line 1"),
        open_store(tmp_path, SETUP, resume=True),
    ):
        pass
    assert file.read_bytes() == before


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        open_store(tmp_path, SETUP, resume=True),
        pytest.raises(ArgumentError, match="another run is writing"),
        open_store(tmp_path, SETUP, resume=True),
    ):
        pass


def test_trials_that_are_a_folder(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").mkdir()
    with (
        pytest.raises(ArgumentError, match=r"cannot write to .*: Is a directory"),
        open_store(tmp_path, SETUP, resume=True),
    ):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ArgumentError, match="cannot write to"),
        open_store(tmp_path / "file", SETUP, resume=False),
    ):
        pass


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "results.json"
    write_atomically(file, "old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
