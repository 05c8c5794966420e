"""Files that appear whole: what a kill leaves, the next run removes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from phasor._kit.files import write_atomically

STOPS = """
import os, signal, sys
from pathlib import Path
from phasor._kit.files import write_atomically
os.fsync = lambda handle: os.kill(os.getpid(), int(sys.argv[2]))
write_atomically(Path(sys.argv[1]), "half")
"""


def test_what_a_kill_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    (tmp_path / ".page.html.mine").write_text("a stranger's")
    killed = subprocess.run(
        [sys.executable, "-c", STOPS, str(page), str(int(signal.SIGKILL))], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert page.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 3
    write_atomically(page, "after")
    assert page.read_text() == "after"
    assert {file.name for file in tmp_path.iterdir()} == {"page.html", ".page.html.mine"}


def test_what_another_is_writing_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    other = subprocess.Popen([sys.executable, "-c", STOPS, str(page), str(int(signal.SIGSTOP))])
    try:
        os.waitpid(other.pid, os.WUNTRACED)
        write_atomically(page, "mine")
        assert len(list(tmp_path.iterdir())) == 2
        other.send_signal(signal.SIGCONT)
        assert other.wait(timeout=60) == 0
    finally:
        other.kill()
    assert page.read_text() == "half"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_an_earlier_process_of_the_same_number_left_is_removed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    left = tmp_path / f".page.html.phasor-{os.getpid()}-abcdefgh"
    left.write_text("half")
    os.utime(left, (1, 1))
    write_atomically(page, "after")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
