"""What belongs to the folder of a checkpoint."""

from pathlib import Path


def is_inside(folder: Path, file: Path) -> bool:
    """Whether a file lies in a folder, or among the blobs of the hub cache that holds the folder.

    The hub cache keeps `models--NAME/snapshots/REVISION/config.json` as a link to
    `models--NAME/blobs/HASH`.
    """
    found = file.resolve()
    above = (folder.resolve(), *folder.resolve().parents)
    snapshots = next((each for each in above if each.parent.name == "snapshots"), None)
    blobs = None if snapshots is None else snapshots.parent.parent / "blobs"
    return above[0] in found.parents or found.parent == blobs
