"""Shared by the tests and by the examples in docstrings and documents."""

import re
from collections.abc import Iterator
from doctest import ELLIPSIS
from pathlib import Path

import pytest
import torch
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

import phasor

# Also where phasor was installed before its plugin was.
pytest_plugins = ["phasor_pytest"]


def _namespace(namespace: dict[str, object]) -> None:
    torch.manual_seed(0)
    namespace.update(phasor=phasor, torch=torch)


_docstrings = Sybil(
    path="src",
    parsers=[DocTestParser(optionflags=ELLIPSIS)],
    patterns=["*.py"],
    setup=_namespace,
)
_documents = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], setup=_namespace)
pytest_collect_file = (_docstrings + _documents).pytest()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Two processes for the whole suite; a file or a folder is done sooner in one."""
    if hasattr(config, "workerinput"):
        return  # one of the two: it would start two more, and each of those again
    option = config.option
    if option.numprocesses is None and config.args_source is config.ArgsSource.TESTPATHS:
        option.numprocesses = 2
    if option.numprocesses and option.dist == "no":
        option.dist = "loadscope"


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.compiler.reset()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many architectures of transformers were run beside their specs."""
    proofs = [
        report
        for report in terminalreporter.getreports("passed")
        if "tests/checkpoints/test_proof" in report.nodeid
    ]
    if not proofs:
        return
    page = (Path(__file__).parent / "docs" / "reference" / "architectures.md").read_text()
    counts = dict(re.findall(r"^- \*\*(Verified|Read only|Not supported)\*\*: (\d+)", page, re.M))
    terminalreporter.write_line(
        f"architectures: {len(proofs)} proofs passed; of {sum(map(int, counts.values()))} model "
        f"types {counts['Verified']} verified, {counts['Read only']} read only, "
        f"{counts['Not supported']} not supported"
    )
