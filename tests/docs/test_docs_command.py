"""`phasor docs`."""

import importlib.util
import webbrowser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phasor.cli import app
from phasor.cli import docs as verb

BUILDS = """
import sys
from pathlib import Path
page = Path(__file__).parents[1] / "index.html"
page.write_text("built")
print("Build started", file=sys.stderr)
print(page)
"""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the browser was asked for; there is one."""
    urls: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: urls.append(url) or True)
    return urls


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation; nothing is in it yet."""
    monkeypatch.setattr(verb, "PACKAGE", tmp_path / "src" / "phasor")
    monkeypatch.setattr(verb, "CHECKOUT", tmp_path)
    return tmp_path


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def test_the_copy_that_was_installed(installed: Path, opened: list[str]) -> None:
    page = written(installed / "src" / "phasor" / "_site" / "index.html", "site")
    done = CliRunner().invoke(app, ["docs"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(page)
    assert opened == [page.as_uri()]


def test_print_opens_nothing(installed: Path, opened: list[str]) -> None:
    page = written(installed / "src" / "phasor" / "_site" / "index.html", "site")
    done = CliRunner().invoke(app, ["docs", "--print"])
    assert (done.exit_code, done.stdout.strip(), opened) == (0, str(page), [])


def test_a_checkout_builds_it(
    installed: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(installed / "docs" / "build.py", BUILDS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    done = CliRunner().invoke(app, ["docs"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(installed / "index.html")
    assert opened == [(installed / "index.html").as_uri()]


def test_a_build_that_fails(
    installed: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = written(installed / "docs" / "build.py", "raise SystemExit(1)")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    done = CliRunner().invoke(app, ["docs"])
    assert done.exit_code == 1
    assert f"{script} could not build the documentation" in done.stderr
    assert opened == []


def test_a_checkout_without_the_extra(
    installed: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = written(installed / "docs" / "build.py", BUILDS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(app, ["docs"])
    assert done.exit_code == 2
    assert f"the documentation is in {script.parent} as Markdown" in done.stderr
    assert "pip install 'torch-phasor[docs]'" in done.stderr
    assert opened == []


def test_an_installation_without_a_copy(installed: Path, opened: list[str]) -> None:
    done = CliRunner().invoke(app, ["docs"])
    assert done.exit_code == 2
    assert "installed without its documentation" in done.stderr
    assert done.stderr.count("\n") == 1
    assert opened == []


def test_no_browser(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = written(installed / "src" / "phasor" / "_site" / "index.html", "site")
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    done = CliRunner().invoke(app, ["docs"])
    assert done.exit_code == 1
    assert f"no browser was found; open {page} in one" in done.stderr
