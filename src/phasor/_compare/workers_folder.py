"""The folder of the server from which trial processes are forked: the server deletes it too.

The command deletes it when it ends; one that is killed cannot, and its server ends after it.
"""

import atexit
import os
import shutil

FOLDER = "PHASOR_FOLDER_OF_WORKERS"
"""The environment variable by which the server is told."""


def delete_at_the_end() -> None:
    """Delete the folder when this process, which is the server, ends."""
    folder = os.environ.pop(FOLDER, None)
    if folder is not None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
