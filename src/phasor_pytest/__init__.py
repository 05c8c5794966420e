"""pytest plugin: the fixture `golden_rotary`, for tests of anybody's rotary encoding.

And the option `--phasor-encoding module:Class`, which runs what phasor's own encodings are held to.

A package of its own, since pytest imports plugins whether they are used or not: `phasor` and
PyTorch are imported when a test asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from phasor.testing import Deviation, GoldenRotary
    from phasor.testing.rotation import Apply, PairLayout
    from phasor.testing.tables import CosSin, Tolerance

_FIXTURE = "golden_rotary"
_REPORT = "phasor_golden_rotary"


class Golden:
    """What `golden_rotary` is: one case, and checks against it that end up in the report.

    Args:
        case: The golden numbers.
        record: Where lines of the report go.
    """

    def __init__(self, case: GoldenRotary, record: list[tuple[str, object]]) -> None:
        self.case = case
        self._record = record

    @property
    def config(self) -> dict[str, Any]:
        """As in a `config.json` of transformers 5."""
        return self.case.config

    def check_tables(self, cos_sin: CosSin, *, tolerance: Tolerance = "float32") -> Deviation:
        """Fail unless `cos_sin(config, positions)` makes the golden cos and sin.

        See `phasor.testing.check_tables`.
        """
        __tracebackhide__ = True
        from phasor.testing import check_tables

        deviation = check_tables(self.case, cos_sin, tolerance=tolerance)
        self._say(f"tables of {deviation}")
        if deviation.times > 1:
            pytest.fail(f"{deviation}\n{self._whence()}", pytrace=False)
        return deviation

    def check_rotation(self, cos_sin: CosSin, apply: Apply, *, layout: PairLayout = "half") -> None:
        """Fail unless `apply(query, key, cos, sin)` turns them by the golden angles.

        See `phasor.testing.check_rotation`.
        """
        __tracebackhide__ = True
        from phasor.testing import check_rotation

        wrong = check_rotation(self.case, cos_sin, apply, layout=layout)
        self._say(f"rotation by {wrong or f'{self.case.name}: agrees'}")
        if wrong:
            pytest.fail(f"{wrong}\n{self._whence()}", pytrace=False)

    def _say(self, line: str) -> None:
        self._record.append((_REPORT, line))

    def _whence(self) -> str:
        return f"config: {self.case.source}; numbers: {self.case.provenance}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--phasor-encoding",
        metavar="MODULE:CLASS",
        help="hold a position encoding to what phasor's own are held to; alone, run nothing else",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and have the contract collected if an encoding is named."""
    if config.getoption("phasor_encoding") is not None:
        contract = str(Path(__file__).with_name("your_encoding.py"))
        asked = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
        config.args = [*(given for given in asked if given != contract), contract]
    config.addinivalue_line(
        "markers",
        "golden_rotary(*names): of the fixture golden_rotary, only the cases of these names or "
        "rope types",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `golden_rotary` once for each case."""
    if _FIXTURE not in metafunc.fixturenames:
        return
    from phasor.testing import golden_cases

    cases = golden_cases()
    marker = metafunc.definition.get_closest_marker(_FIXTURE)
    if marker is not None:
        known = {name for case in cases for name in (case.name, case.kind)}
        for name in marker.args:
            if name not in known:
                raise pytest.UsageError(
                    f"golden_rotary has no case {name!r}; there are: {', '.join(sorted(known))}"
                )
        cases = tuple(case for case in cases if {case.name, case.kind} & set(marker.args))
    metafunc.parametrize(_FIXTURE, cases, ids=str, indirect=True)


@pytest.fixture
def golden_rotary(request: pytest.FixtureRequest) -> Golden:
    """One golden rotary encoding; the test runs once for each."""
    return Golden(request.param, request.node.user_properties)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List what deviates and by how much, and count what agrees."""
    lines = [
        line
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, line in getattr(report, "user_properties", ())
        if name == _REPORT
    ]
    if not lines:
        return
    wrong = [line for line in lines if ": agrees" not in line]
    terminalreporter.section("golden rotary")
    for line in wrong:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"{len(lines) - len(wrong)} of {len(lines)} agree")
