"""What a native call may touch: nothing that crashed before crashes, turns wrong or is written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kernels.crash_cases import DONE, REFUSED
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError
from phasor.kernels.by_table import rotate_by_table

FREQUENCIES, POSITIONS = phasor.geometric(8), torch.arange(5)
QUERY, KEY = torch.randn(2, 4, 5, 12), torch.randn(2, 2, 5, 12)
COS, SIN = torch.randn(1, 5, 4), torch.randn(1, 5, 4)
OPS = torch.ops.phasor


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "kernels.crash_cases"],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_a_sentence(name: str, outcomes: dict[str, str]) -> None:
    said = outcomes[name]
    assert said.startswith("PhasorError: ")
    assert re.search(REFUSED[name][1], said), said
    assert "\n" not in said


@pytest.mark.parametrize("name", DONE)
def test_is_done_right(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == DONE[name][1]


def turned(x: Tensor, angle: Tensor, gain: Tensor | float = 1.0) -> Tensor:
    """The first eight channels as four complex numbers, in float64, times others."""
    first, second, rest = x.double().split((4, 4, 4), dim=-1)
    out = torch.complex(first, second) * torch.polar(torch.ones(()).double(), angle)
    return torch.cat((out.real * gain, out.imag * gain, rest), -1)


ANGLE = POSITIONS[:, None].double() * torch.tensor([1, 0.1, 0.01, 0.001], dtype=torch.float64)


def late(x: Tensor) -> Tensor:
    """`x`, of whose minus sign PyTorch keeps a note alone: as `z.conj().imag` does."""
    lazy = torch._neg_view(-x)
    assert lazy.is_neg()
    return lazy


def spread(x: Tensor) -> Tensor:
    lazy = torch.complex(torch.zeros_like(x), -x).conj().imag
    assert lazy.is_neg()
    return lazy


@pytest.mark.parametrize("lazy", [late, spread])
def test_a_minus_sign_that_is_put_off(lazy) -> None:
    wanted = turned(QUERY, ANGLE), turned(KEY, ANGLE)
    near = {"rtol": 0, "atol": 2e-6, "check_dtype": False}
    for query, key in ((lazy(QUERY), KEY), (QUERY, lazy(KEY)), (lazy(QUERY), lazy(KEY))):
        assert_close(phasor.rotate(query, key, POSITIONS, FREQUENCIES), wanted, **near)
    floats = lazy(POSITIONS.double())
    assert_close(phasor.rotate(QUERY, KEY, floats, FREQUENCIES), wanted, **near)
    learned = lazy(FREQUENCIES.inv_freq)
    assert_close(phasor.rotate(QUERY, KEY, POSITIONS, learned), wanted, **near)
    assert_close(
        phasor.rotate(QUERY, KEY, POSITIONS.double(), phasor.Frequencies(learned)), wanted, **near
    )
    cos, sin = lazy(ANGLE.cos()[None]), lazy(ANGLE.sin()[None])
    assert_close(rotate_by_table(lazy(QUERY), KEY, cos, sin), wanted, **near)
    assert_close(rotate_by_table(QUERY, lazy(KEY), cos, ANGLE.sin()[None]), wanted, **near)


@pytest.mark.parametrize("lazy", [late, spread])
@pytest.mark.parametrize("with_key", [True, False])
def test_a_minus_sign_that_is_put_off_in_place(lazy, with_key: bool) -> None:
    near = {"rtol": 0, "atol": 2e-6, "check_dtype": False}
    query, key = lazy(QUERY.clone()), lazy(KEY.clone()) if with_key else None
    found = phasor.rotate(query, key, POSITIONS, FREQUENCIES, inplace=True)
    assert found[0] is query
    assert found[1] is key
    assert_close(query.resolve_neg(), turned(QUERY, ANGLE), **near)
    if key is not None:
        assert_close(key.resolve_neg(), turned(KEY, ANGLE), **near)
    query = QUERY.clone()
    phasor.rotate(query, None, lazy(POSITIONS.double()), FREQUENCIES, inplace=True)
    assert_close(query, turned(QUERY, ANGLE), **near)


def nested(x: Tensor) -> Tensor:
    return torch.nested.nested_tensor(list(x))


UNUSUAL = {
    "sparse": (lambda x: x.to_sparse(), r"got layout torch.sparse_coo; pass \w+\.to_d"),
    "mkldnn": (lambda x: x.float().to_mkldnn(), "dense tensor, got layout torch._mkldnn"),
    "quantized": (
        lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint32),
        r"must not be quantized, got torch.qint32; pass \w+\.dequantize\(\)",
    ),
    "list": (lambda x: x.tolist(), r"must be a tensor, got list; wrap it: torch.as_tensor"),
    "numpy": (lambda x: x.numpy(), "must be a tensor, got ndarray|as a tensor, got ndarray"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind", [*UNUSUAL, "nested", "float8"])
def test_unusual_activations(kind: str, inplace: bool) -> None:
    made, message = UNUSUAL.get(kind, (nested, "dense tensor, got a nested one; pass its tokens"))
    if kind == "float8":
        made, message = (lambda x: x.to(torch.float8_e4m3fn)), "got torch.float8_e4m3fn; rotate bef"
    for query, key in ((made(QUERY), None), (made(QUERY), KEY), (QUERY.clone(), made(KEY))):
        with pytest.raises(ArgumentTypeError, match=message):
            phasor.rotate(query, key, POSITIONS, FREQUENCIES, inplace=inplace)
        with pytest.raises(ArgumentTypeError, match=message):
            rotate_by_table(query, key, COS, SIN)
    if kind != "float8":
        with pytest.raises(ArgumentTypeError, match=message):
            rotate_by_table(QUERY, KEY, made(COS), made(SIN))
    with pytest.raises(ArgumentTypeError, match=message):
        phasor.norm_rotate(made(QUERY), None, torch.ones(12), None, POSITIONS, FREQUENCIES)
    with pytest.raises(ArgumentTypeError, match=message):
        phasor.rerotate(made(KEY), POSITIONS, FREQUENCIES, new_positions=POSITIONS + 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sparse", "mkldnn", "quantized", "list", "numpy"])
def test_unusual_positions(kind: str) -> None:
    made, message = UNUSUAL[kind]
    if kind == "list":
        message = "takes positions as a tensor, got list"
    with pytest.raises(ArgumentTypeError, match=message):
        phasor.rotate(QUERY, KEY, made(POSITIONS), FREQUENCIES)


def test_fake_tensors_and_tensors_without_values() -> None:
    with FakeTensorMode():
        query, key, positions = torch.empty(2, 4, 5, 12), torch.empty(2, 2, 5, 12), torch.arange(5)
        for inplace in (False, True):
            found = phasor.rotate(query, key, positions, FREQUENCIES, inplace=inplace)
            assert [x.shape for x in found] == [query.shape, key.shape]
        weight = torch.empty(12)
        found = phasor.norm_rotate(query, key, weight, weight, positions, FREQUENCIES)
        assert [x.shape for x in found] == [query.shape, key.shape]
        caches = torch.empty(2, 2, 9, 12), torch.empty(2, 2, 9, 12)
        phasor.rotate_into_cache(query, key, key, positions, FREQUENCIES, *caches, positions)
        with pytest.raises(ArgumentError, match="query and key must agree in batch"):
            OPS.rotate(query, key[:1], positions[None, :, None], positions[None], False, 0, 1, 1.0)
    bare = QUERY.to("meta"), KEY.to("meta"), POSITIONS.to("meta")
    for inplace in (False, True):
        found = phasor.rotate(*bare, FREQUENCIES, inplace=inplace)
        assert [x.shape for x in found] == [QUERY.shape, KEY.shape]
    with pytest.raises(ArgumentError, match="a table must be cos and sin"):
        rotate_by_table(bare[0], None, COS.to("meta")[:, :2], SIN.to("meta")[:, :2])


def test_in_place_under_grad() -> None:
    def loss(query: Tensor, inplace: bool) -> Tensor:
        both = phasor.rotate(query * 1, KEY * query.sum(), POSITIONS, FREQUENCIES, inplace=inplace)
        return both[0].square().sum() + both[1].sum()

    assert_close(torch.func.grad(loss)(QUERY, True), torch.func.grad(loss)(QUERY, False))


def test_is_not_turned_by_what_it_overwrites() -> None:
    whole = torch.randn(2, 4, 5, 12)
    kept = whole.clone()
    with pytest.raises(ArgumentError, match="query shares memory with what it is turned by"):
        phasor.rotate(whole, None, whole[0, 0, :, 0], FREQUENCIES, inplace=True)
    with pytest.raises(ArgumentError, match="key shares memory with what it is turned by"):
        phasor.rotate(QUERY.clone(), whole, whole[0, 0, :, 0], FREQUENCIES, inplace=True)
    assert_close(whole, kept, rtol=0, atol=0)


def test_numbers_that_lie_across_their_places() -> None:
    memory = bytearray(QUERY.numel() * 4 + 1)
    query = torch.frombuffer(memory, dtype=torch.float32, offset=1).view(QUERY.shape).copy_(QUERY)
    near = {"rtol": 0, "atol": 2e-6, "check_dtype": False}
    assert_close(
        phasor.rotate(query, None, POSITIONS, FREQUENCIES)[0], turned(QUERY, ANGLE), **near
    )
    phasor.rotate(query, None, POSITIONS, FREQUENCIES, inplace=True)
    assert_close(query, turned(QUERY, ANGLE), **near)


PLACES = POSITIONS[None, :, None]
NORM = (1e-6, False, False, 0, 1.0, False, False)
STORE = (0, 1e-6, False, False, 0, 1.0, False)
ONES, CACHE = torch.ones(12), (torch.zeros(2, 2, 9, 12), torch.zeros(2, 2, 9, 12))
SLOTS = POSITIONS.expand(2, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: OPS.norm_rotate(QUERY, KEY, ONES[:1], ONES, PLACES, FREQUENCIES.turns, *NORM),
            r"takes a query_weight \[head_dim\]",
        ),
        (
            lambda: OPS.norm_rotate(QUERY, KEY, ONES, None, PLACES, FREQUENCIES.turns, *NORM),
            r"takes a key_weight \[head_dim\] where there is a key",
        ),
        (
            lambda: OPS.norm_rotate(
                QUERY, KEY, ONES, ONES, PLACES[:, :1], FREQUENCIES.turns, *NORM
            ),
            r"takes positions \[1 or 2, 5, axes\]",
        ),
        (
            lambda: OPS.norm_rotate_backward(
                QUERY, QUERY[:, :1], ONES, torch.ones(2, 1, 5), PLACES, FREQUENCIES.turns, False,
                False, False, 0, 1.0, False,
            ),
            "takes grad as saved",
        ),
        (
            lambda: OPS.rotate_into_cache(
                QUERY, KEY, KEY, None, None, *CACHE, SLOTS + 5, PLACES, FREQUENCIES.turns, *STORE
            ),
            "the cache has slots 0 to 8",
        ),
        (
            lambda: OPS.rotate_into_cache(
                QUERY, KEY, KEY, None, None, CACHE[0][:, :1], CACHE[1], SLOTS, PLACES,
                FREQUENCIES.turns, *STORE,
            ),
            "key_cache must be",
        ),
        (
            lambda: phasor.rotate_into_cache(
                QUERY, KEY, KEY, POSITIONS, FREQUENCIES, CACHE[0][:, :1].expand(2, 2, 9, 12),
                CACHE[1], POSITIONS,
            ),
            "key_cache has elements that share memory",
        ),
        (
            lambda: phasor.rotate_into_cache(
                QUERY, KEY, KEY, POSITIONS, FREQUENCIES, CACHE[0], CACHE[0], POSITIONS
            ),
            "key_cache and value_cache share memory",
        ),
        (
            lambda: phasor.rotate_into_cache(
                QUERY, KEY, CACHE[1][:, :, 2:7], POSITIONS, FREQUENCIES, *CACHE, POSITIONS
            ),
            "value_cache and value share memory",
        ),
        (
            lambda: rotate_by_table(QUERY, KEY, COS, SIN, rounding="twice"),
            "rounding must be one of",
        ),
        (
            lambda: rotate_by_table(QUERY, KEY, COS, SIN, gradient_order="heads"),
            "gradient_order must be one of",
        ),
    ],
)  # fmt: skip
def test_operators_look_at_what_they_are_given(call, message: str) -> None:
    with pytest.raises((ArgumentError, PositionRangeError), match=message):
        call()


def test_caches_that_are_parts_of_one_buffer() -> None:
    """Keys and values side by side: in each block, or in each row."""
    given = (QUERY[:1], KEY[:1], KEY[:1], POSITIONS, FREQUENCIES)
    wanted = turned(KEY[:1], ANGLE)
    blocks = torch.zeros(3, 2, 4, 2, 12)
    rows = torch.zeros(3, 4, 2, 24)
    for caches in ((blocks[:, 0], blocks[:, 1]), (rows[..., :12], rows[..., 12:])):
        phasor.rotate_into_cache(*given, *caches, POSITIONS, paged=True)
        found = torch.cat(list(caches[0]))[:5].transpose(0, 1)[None]
        assert_close(found, wanted, rtol=0, atol=2e-6, check_dtype=False)
        assert_close(torch.cat(list(caches[1]))[:5].transpose(0, 1)[None], KEY[:1])
