"""The `phasor` command many times, each in a process of its own that has imported it already.

Reads `[[arguments, stdout, most_bytes], ...]` in JSON from standard input; a process that writes
more than `most_bytes` to a file meets a full disk. Prints `[[status, stdout, stderr], ...]`.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import transformers.models.llama.modeling_llama  # noqa: F401

import phasor._check.run
import phasor._convert.command
import phasor._inspect.page
import phasor._inspect.terminal  # noqa: F401
from phasor.__main__ import main


def _status() -> int:
    """As Python ends: what `SystemExit` says, or a traceback."""
    try:
        main()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _child(arguments: list[str], stdout: str, stderr: str, most_bytes: int | None) -> NoReturn:
    for path, descriptor in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    if most_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    sys.argv = ["phasor", *arguments]
    status = _status()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run(arguments: list[str], stdout: str | None, most_bytes: int | None) -> tuple[int, str, str]:
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name, "out"), Path(name, "err")
        child = os.fork()
        if not child:
            _child(arguments, stdout or str(out), str(err), most_bytes)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return status, out.read_text() if out.exists() else "", err.read_text()


if __name__ == "__main__":
    print(json.dumps([_run(*job) for job in json.load(sys.stdin)]))
