"""Where a run keeps what it measured, so that it can be gone on with: stopped or ended."""

import shutil
from pathlib import Path

from phasor._kit.whole_folder import delete_left_behind, whole_folder
from phasor.errors import ArgumentError

_MEASUREMENTS = "measurements.jsonl"
_BESIDE = ("search.db", "finetune.safetensors")
_KEPT = "resume"
_RESULT, _BEFORE = "result", "before"


def measuring(out: Path) -> Path:
    """The folder beside `out` in which a run keeps what it measures until it ends."""
    return out.with_name(f"{out.name}.measuring")


def check_place(out: Path, *, resume: bool) -> None:
    """Raise unless a run may end at `out`; hidden folders that a kill left beside it are deleted.

    Raises:
        ArgumentError: There is something, and no run that is to be gone on with.
    """
    if out.parent.is_dir():
        delete_left_behind(out)
        delete_left_behind(measuring(out))
    if not out.exists() and not out.is_symlink():
        return
    ended = (out / _MEASUREMENTS).is_file()
    if not (ended and resume):
        advice = "; or add resume=True to go on with its measurements" if ended else ""
        raise ArgumentError(f"{out} exists already; choose another folder with out={advice}")


def reopen(out: Path) -> None:
    """Copy what the run that ended at `out` measured beside it, unless it is there already.

    `out` stays as it is until another result takes its place.
    """
    folder = measuring(out)
    if not (out / _MEASUREMENTS).is_file() or (folder / _MEASUREMENTS).exists():
        return
    if folder.exists():  # its deletion was cut short
        shutil.rmtree(folder)
    with whole_folder(folder) as draft:
        shutil.copy(out / _MEASUREMENTS, draft)
        for name in _BESIDE:
            if (out / _KEPT / name).is_file():
                shutil.copy(out / _KEPT / name, draft)


def keep(measured: Path, draft: Path) -> None:
    """Put what it takes to go on into `draft`: measurements, and trials and training if any."""
    shutil.copy(measured / _MEASUREMENTS, draft)
    beside = [measured / name for name in _BESIDE if (measured / name).is_file()]
    if beside:
        (draft / _KEPT).mkdir()
    for file in beside:
        shutil.copy(file, draft / _KEPT)


def written_to(out: Path, measured: Path) -> Path:
    """Where the result is to appear: at `out`, or within `measured` if `out` is to be replaced."""
    if not out.exists():
        return out
    result = measured / _RESULT
    if result.exists():  # of a run that was killed before it took its place
        shutil.rmtree(result)
    return result


def settle(written: Path, out: Path, measured: Path) -> None:
    """Let the result take the place of the one before, and delete what was kept beside it.

    A process that is killed in between leaves all that was measured, and `resume` goes on.
    """
    if written != out:
        if (measured / _BEFORE).exists():
            shutil.rmtree(measured / _BEFORE)
        out.rename(measured / _BEFORE)
        written.rename(out)
    shutil.rmtree(measured)
