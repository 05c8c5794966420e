"""The rotation, whoever computes it, against complex numbers in float64."""

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kernels.cases import FURTHER, ROUNDING, Case, cases, expected, stored
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.kernels import cpu

needs_library = pytest.mark.skipif(cpu.why_missing() is not None, reason="no compiled library")


def longest_pair(x: Tensor) -> float:
    return 2**0.5 * x.double().abs().max().item() if x.numel() else 0.0


def check(case: Case, **options: object) -> None:
    """Turns copies of the case's tensors; nothing else in their memory may change."""
    query, key = case.query, case.key
    kept = [None if x is None else (x, x.clone(), expected(case, x)) for x in (query, key)]
    found = phasor.rotate(
        query, key, case.positions, case.frequencies, **{**case.options, **options}
    )
    for what, got in zip(kept, found, strict=True):
        if what is None:
            assert got is None
            continue
        x, before, wanted = what
        assert got is not None
        if case.options["inplace"]:
            assert got is x
        else:
            if options.get("impl") != "reference":
                assert got.stride() == torch.empty_like(x).stride()
            assert_close(x, before, rtol=0, atol=0)
        gain = max(case.frequencies.attention_scale, 1.0)
        tolerance = ROUNDING[x.dtype] * gain * longest_pair(before)
        # An angle of float32 has a cosine of float32.
        if case.options["precision"] == "float32":
            tolerance = max(tolerance, 2e-7 * longest_pair(before))
        # Float positions are multiplied in float64, which rounds angles of up to 4e4.
        tolerance = max(
            tolerance, 4e-11 * longest_pair(before) * case.positions.is_floating_point()
        )
        assert got.dtype == x.dtype
        assert_close(got.double(), wanted, rtol=0, atol=tolerance)


@given(case=cases())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_equals_complex_numbers(case: Case) -> None:
    check(case)


@given(case=cases())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_reference_does_too(case: Case) -> None:
    check(case, impl="reference")


@needs_library
@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("inplace", [True, False])
def test_large_enough_to_be_streamed_and_divided(
    dtype: torch.dtype, layout: str, inplace: bool
) -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    case = Case(
        stored((2, 6, 1500, 160), "batch, seq, heads", dtype),
        stored((2, 2, 1500, 160), "batch, heads, seq", dtype),
        torch.arange(1500) + FURTHER,
        phasor.geometric(128, 500_000.0),
        {
            "layout": layout,
            "rotary_slice": "trailing",
            "inverse": False,
            "precision": "exact",
            "inplace": inplace,
        },
    )
    check(case, impl="cpu")


@needs_library
@given(positions=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
@example(positions=[2**31 - 1, 2**31, -(2**31), 2**40, -(2**63), 2**63 - 1])
@settings(max_examples=50, deadline=None)
def test_cosines_are_exact_at_any_integer_position(positions: list[int]) -> None:
    """Vectors along the first of each pair turn to cosines and sines."""
    import mpmath

    frequencies = phasor.geometric(64, 500_000.0)
    along = torch.zeros(1, 1, len(positions), 64)
    along[..., :32] = 1.0
    turned, _ = phasor.rotate(along, None, torch.tensor(positions), frequencies, impl="cpu")
    with mpmath.workdps(60):
        turn = [
            mpmath.mpf(value) / 2**64 * 2 * mpmath.pi for value in frequencies.turns[0].tolist()
        ]
        angles = [[position * value for value in turn] for position in positions]
        cos = torch.tensor([[float(mpmath.cos(a)) for a in row] for row in angles])
        sin = torch.tensor([[float(mpmath.sin(a)) for a in row] for row in angles])
    assert_close(turned[0, 0], torch.cat((cos, sin), -1), rtol=0, atol=2e-7)


@needs_library
def test_float32_precision_is_the_product_that_transformers_takes() -> None:
    frequencies, positions = phasor.geometric(128, 500_000.0), torch.arange(0, 10**6, 997)
    along = torch.zeros(1, 1, len(positions), 128)
    along[..., :64] = 1.0
    turned, _ = phasor.rotate(along, None, positions, frequencies, precision="float32", impl="cpu")
    angle = positions.float()[:, None] * frequencies.inv_freq[0].float()
    assert_close(turned[0, 0], torch.cat((angle.cos(), angle.sin()), -1), rtol=0, atol=1.2e-7)


@needs_library
def test_bfloat16_is_rounded_to_nearest_even_and_keeps_what_is_no_number() -> None:
    x = torch.tensor([1.0, float("inf"), float("nan"), -0.0, 1e-40, 3e38, 0.3, -7.0]).bfloat16()
    x = x.repeat(8)[None, None, None]
    for layout in ("half", "interleaved"):
        found, _ = phasor.rotate(x, None, torch.tensor([5]), phasor.geometric(64), layout=layout)
        wanted, _ = phasor.rotate(
            x, None, torch.tensor([5]), phasor.geometric(64), layout=layout, impl="reference"
        )
        assert_close(found, wanted, rtol=8e-3, atol=0, equal_nan=True)
    ties = torch.randn(1, 1, 500, 64).bfloat16()
    halves = phasor.Frequencies(
        torch.zeros(1, 32, dtype=torch.float64), attention_scale=1 + 2.0**-8
    )
    found, _ = phasor.rotate(ties, None, torch.arange(500), halves, impl="cpu")
    assert_close(found, (ties.float() * (1 + 2.0**-8)).bfloat16(), rtol=0, atol=0)


@needs_library
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_every_number_of_half_precision_comes_through(dtype: torch.dtype) -> None:
    """Also where vectors end: 32768 rows of 2 and a block of 64."""
    numbers = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    for width in (2, 64):
        x = numbers.view(1, 1, -1, width)
        x = torch.where(x.isfinite(), x, 0)
        still = phasor.Frequencies(torch.zeros(1, width // 2, dtype=torch.float64))
        for layout in ("half", "interleaved"):
            out, _ = phasor.rotate(
                x, None, torch.zeros(x.shape[2]).long(), still, layout=layout, impl="cpu"
            )
            assert_close(out, x, rtol=0, atol=0)


def test_packed_equals_a_batch_of_one() -> None:
    frequencies, positions = phasor.geometric(16), torch.tensor([0, 1, 2, 0, 1])
    query, key = torch.randn(5, 4, 16), torch.randn(5, 2, 16)
    whole = phasor.rotate(
        query.transpose(0, 1)[None], key.transpose(0, 1)[None], positions, frequencies
    )
    found = phasor.rotate(query, key, positions, frequencies)
    for got, want in zip(found, whole, strict=True):
        assert got is not None
        assert got.is_contiguous()
        assert_close(got, want[0].transpose(0, 1), rtol=0, atol=0)
    again = phasor.rotate(query, key, positions, frequencies, inplace=True)
    assert again[0] is query
    assert_close(query, found[0], rtol=0, atol=0)


def test_query_and_key_may_differ_in_dtype_and_head_dim() -> None:
    frequencies, positions = phasor.geometric(8), torch.arange(3) + 50
    query, key = torch.randn(1, 2, 3, 12), torch.randn(1, 2, 3, 8).bfloat16()
    found = phasor.rotate(query, key, positions, frequencies, rotary_slice="trailing")
    for x, got in zip((query, key), found, strict=True):
        alone, _ = phasor.rotate(x, None, positions, frequencies, rotary_slice="trailing")
        assert got.dtype == x.dtype
        assert_close(got, alone, rtol=0, atol=0)


@needs_library
def test_threads_change_nothing() -> None:
    query, key = torch.randn(3, 8, 700, 64), torch.randn(3, 2, 700, 64)
    frequencies = phasor.geometric(64)
    for positions in (torch.arange(700), torch.randint(0, 9999, (3, 700))):
        found = []
        for threads in (1, 2, 7):
            torch.set_num_threads(threads)
            found.append(phasor.rotate(query, key, positions, frequencies, impl="cpu"))
            assert torch.get_num_threads() == threads
        for other in found[1:]:
            assert_close(other, found[0], rtol=0, atol=0)


@needs_library
def test_a_forked_process_rotates_with_threads_too() -> None:
    import multiprocessing

    torch.set_num_threads(2)
    query, positions = torch.randn(1, 8, 4096, 64), torch.arange(4096)
    wanted, _ = phasor.rotate(query, None, positions, phasor.geometric(64), impl="cpu")

    def turn(answer: object) -> None:
        got, _ = phasor.rotate(query, None, positions, phasor.geometric(64), impl="cpu")
        torch.set_num_threads(1)  # PyTorch's own threads do not survive a fork
        answer.put(bool((got == wanted).all()))

    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()
    child = context.Process(target=turn, args=(answer,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert answer.get() is True
