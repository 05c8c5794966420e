import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built() -> tuple[Path, float]:
    """The site, built strictly, and how many seconds of a processor that took."""
    needed = ("zensical", "mkdocstrings", "latex2mathml")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("PHASOR_REQUIRE_DOCS") != "1":
        pytest.skip(f"the extra docs is not installed: no {', '.join(missing)}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "build.py"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    page = Path(run.stdout.strip())
    assert page.name == "index.html"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return page.parent, took  # by the clock it would depend on what else runs


@pytest.fixture(scope="session")
def site(built: tuple[Path, float]) -> Path:
    return built[0]
