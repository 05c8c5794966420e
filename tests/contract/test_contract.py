"""The contract, of every encoding. See `cases.py` for the list."""

import pytest
from contract.cases import CASES

from phasor_pytest.contract import *  # noqa: F403
from phasor_pytest.contract import Make

# The first case of each encoding.
FIRST = set({type(make()): name for name, make in reversed(CASES.items())}.values())


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(case: str) -> Make:
    return CASES[case]


@pytest.fixture
def code_is_generated(case: str) -> bool:
    """For one variant of each encoding: it takes seconds."""
    return case in FIRST
