"""A few trials of the fault campaign, and what it found, each for itself."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

SAMPLE = [sys.executable, "-m", "faults.campaign", "--moments=1", "--anew=0"]
# Without --out there is nothing to go on with, so nothing may be left.
STOPS = """
import os, signal, sys, tempfile
from contextlib import suppress
from pathlib import Path
from phasor._kit.whole_folder import passing_folder
from phasor.interruption import as_usual
signal.signal(signal.SIGTERM, signal.SIG_DFL)
as_usual()
try:
    with passing_folder() as folder:
        (folder / "weights").write_text("1")
        os.kill(os.getpid(), int(sys.argv[1]))
        signal.pause()
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_each_verb_is_struck_and_goes_on() -> None:
    """Once by each signal; what is looked at is in `trial.py`."""
    tests = Path(__file__).parents[1]
    run = subprocess.run(
        [*SAMPLE, "--first=1"], cwd=tests, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "12 trials, 0 wrong"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_in_the_temporary_folder(sign: signal.Signals, tmp_path: Path) -> None:
    """After SIGTERM at once; after SIGKILL the next one that needs a folder deletes it."""
    (tmp_path / "phasor-mine").mkdir()

    def stopped(by: signal.Signals) -> list[str]:
        subprocess.run(
            [sys.executable, "-c", STOPS, str(int(by))],
            env=os.environ | {"TMPDIR": str(tmp_path)}, timeout=60, check=False,
        )  # fmt: skip
        return sorted(file.name for file in tmp_path.iterdir())

    assert len(stopped(sign)) == (2 if sign == signal.SIGKILL else 1)
    assert stopped(signal.SIGTERM) == ["phasor-mine"]


def test_trials_end_with_their_command(tmp_path: Path) -> None:
    """Within a step that takes minutes, after which a trial would see that nobody listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "phasor", "compare", "--task=copy", "--encodings=rotary",
         "--workers=1", "--seeds=1", "--batch-size=2000", "--train-length=64", "--device=cpu",
         f"--out={tmp_path / 'out'}"],
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        process.stdout.readline()
        command, deadline = psutil.Process(process.pid), time.monotonic() + 60
        trial: list[psutil.Process] = []
        while not trial or trial[0].cpu_times().user < 0.5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            servers = [p for p in command.children() if p.children()]
            trial = [child for server in servers for child in server.children()]
        process.kill()
        deadline = time.monotonic() + 10
        # One that nobody waits for has ended all the same.
        while trial[0].is_running() and trial[0].status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
