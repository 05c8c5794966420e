"""Runs the kernels' own tests under the interpreter, which must be chosen before Triton starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="the tests themselves run in this session"
)
def test_the_kernels_pass_under_the_interpreter() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-n=0", "-p", "no:cacheprovider"]
    folder = Path(__file__).parent
    # Options meant for the whole suite, such as a gate on coverage, are not for this part.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    found = subprocess.run(
        [*command, "-m=interpreter", folder],
        cwd=folder.parents[2],
        env={**environment, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-2000:]
    assert " passed" in found.stdout
