"""The contract, of the encoding that `--phasor-encoding` names."""

# ruff: noqa: D103

from collections.abc import Iterator

import pytest
import torch

from phasor.encodings.spelling import parse_spelling
from phasor.errors import PhasorError
from phasor_pytest.contract import *  # noqa: F403
from phasor_pytest.contract import Make
from phasor_pytest.layer import SHAPE


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.compiler.reset()


@pytest.fixture
def make(pytestconfig: pytest.Config) -> Make:
    """Builds it with the same numbers each time; what starts at zero is drawn, or nothing shows."""
    spelling = parse_spelling(pytestconfig.getoption("phasor_encoding")).turns[0]

    def build() -> phasor.PositionEncoding:  # noqa: F405
        with torch.random.fork_rng():
            torch.manual_seed(2)
            encoding = spelling.build(SHAPE)
            for parameter in encoding.parameters():
                if not parameter.is_meta and not parameter.any():
                    torch.nn.init.normal_(parameter)
        return encoding

    try:
        build()
    except PhasorError as error:
        pytest.fail(str(error), pytrace=False)
    return build


@pytest.fixture
def code_is_generated() -> bool:
    return True
