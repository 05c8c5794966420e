"""The library itself: every instruction set, and what happens where it is missing or old."""

import ctypes
import importlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from kernels.cases import Case, cases
from kernels.test_rotate import check, needs_library

from phasor.kernels import cpu
from phasor.kernels.cpu import direct, library
from phasor.kernels.cpu.build import build

# The package has a function of that name.
launching = importlib.import_module("phasor.kernels.cpu.launch")


@needs_library
@pytest.mark.parametrize("instructions", ["generic", "avx2"])
def test_every_instruction_set_computes_the_same(
    instructions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of the rotation itself run on the best that this processor has."""
    try:
        build(tmp_path / "one.so", only=instructions)
    except KeyError:
        pytest.skip("not of this processor")
    function = ctypes.CDLL(str(tmp_path / "one.so")).phasor_rotate
    function.argtypes = [ctypes.c_char_p]
    used = []

    def counted(call: bytes) -> int:
        used.append(call)
        return function(call)

    for module in (direct, launching):
        monkeypatch.setattr(module, "rotate_function", lambda: counted)

    @given(case=cases())
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def equals_complex_numbers(case: Case) -> None:
        check(case)

    equals_complex_numbers()
    assert len(used) >= 150


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "was not built"), (b"no library", "cannot be loaded"), ("old", "from other sources")],
)
def test_says_why_it_is_missing(
    content: bytes | str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "librotate.so"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "old":
        if cpu.why_missing() is not None:
            pytest.skip("no compiled library")
        monkeypatch.setattr(library, "CALL", library.struct.Struct("=q"))
        file = library._LIBRARY
    monkeypatch.setattr(library, "_LIBRARY", file)
    function, found = library._open.__wrapped__()
    assert function is None
    assert why in found
    assert "python -m phasor.kernels.cpu.build" in found


def test_a_compiler_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(RuntimeError, match=r"false .* failed"):
        build(tmp_path / "none.so")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(RuntimeError, match="no-such-compiler cannot be run"):
        build(tmp_path / "none.so")
    assert not list(tmp_path.iterdir())
