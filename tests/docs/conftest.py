import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built() -> tuple[Path, float]:
    """The site, built strictly (a warning of Zensical is a failure), and the seconds it took."""
    needed = ("zensical", "mkdocstrings", "latex2mathml")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("PHASOR_REQUIRE_DOCS") != "1":
        pytest.skip(f"the extra docs is not installed: no {', '.join(missing)}")
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "build.py"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    page = Path(run.stdout.strip())
    assert page.name == "index.html"
    return page.parent, time.perf_counter() - started


@pytest.fixture(scope="session")
def site(built: tuple[Path, float]) -> Path:
    return built[0]
