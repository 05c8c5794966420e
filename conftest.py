"""Shared by the tests and by the examples in docstrings and documents."""

from collections.abc import Iterator
from doctest import ELLIPSIS

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


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.compiler.reset()
