"""Which files belong to a checkpoint's folder: those inside it, not what a link leads to."""

from pathlib import Path

from phasor.errors import ArgumentError


def own_file(folder: Path, name: str) -> Path:
    """The file `name` of a checkpoint's folder, with its links followed.

    It must lie in the folder, or, where the folder is a snapshot of the Hugging Face cache, among
    the blobs beside it: there every file of a snapshot is a link to one.

    Raises:
        ArgumentError: No such file, not a regular file, or one that lies elsewhere.
    """
    try:
        path = (folder / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # RuntimeError: links in a circle
        raise ArgumentError(f"{folder} has no file {name!r}") from None
    if not any(path.is_relative_to(root) for root in _roots(folder.resolve())):
        raise ArgumentError(
            f"{name!r} in {folder} is a file outside of that folder, {path}; copy it there if it "
            "belongs to the checkpoint"
        )
    if not path.is_file():
        raise ArgumentError(f"{name!r} in {folder} is not a regular file")
    return path


def _roots(folder: Path) -> list[Path]:
    blobs = [above.parent / "blobs" for above in folder.parents if above.name == "snapshots"]
    return [folder, *blobs]
