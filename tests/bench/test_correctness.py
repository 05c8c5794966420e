"""Who is wrong must be found: an oracle that is judged by numbers written out here."""

import math
from dataclasses import replace

import pytest
import torch

from phasor._bench.contender import Contender, Rotation
from phasor._bench.correctness import rotation_error, tolerance
from phasor._bench.entry import Entry, Memory, enter
from phasor._bench.ours import OURS
from phasor._bench.peers import PEERS
from phasor._bench.results import Row
from phasor._bench.shapes import Shape
from phasor._bench.workload import Direction, Pair, Workload, random_pair


def by_hand(x: torch.Tensor, workload: Workload, shift: int = 0) -> torch.Tensor:
    """RoFormer's equation 34, pair by pair, in Python's floats."""
    turned = x.clone()
    dim = workload.shape.head_dim
    positions = workload.positions.expand(x.shape[0], x.shape[2]) + shift
    for batch in range(x.shape[0]):
        for token in range(x.shape[2]):
            for pair in range(dim // 2):
                angle = int(positions[batch, token]) / 10000 ** (2 * pair / dim)
                half = workload.layout == "half"
                first, second = (pair, pair + dim // 2) if half else (2 * pair, 2 * pair + 1)
                a, b = x[batch, :, token, first], x[batch, :, token, second]
                turned[batch, :, token, first] = a * math.cos(angle) - b * math.sin(angle)
                turned[batch, :, token, second] = a * math.sin(angle) + b * math.cos(angle)
    return turned


def pair_by_hand(pair: Pair, workload: Workload, shift: int = 0) -> Pair:
    return by_hand(pair[0], workload, shift), by_hand(pair[1], workload, shift)


def test_right_is_right(workload: Workload) -> None:
    before = random_pair(workload)
    after = pair_by_hand(before, workload)
    assert rotation_error(before, after, workload, "forward") < 1e-6
    assert rotation_error(after, before, workload, "backward") < 1e-6
    assert rotation_error(after, before, workload, "forward") > 1


def test_right_in_a_decoding_step(decoding: Shape, workload: Workload) -> None:
    workload = replace(workload, shape=decoding)
    assert workload.positions.tolist() == [[0], [61], [122]]
    before = random_pair(workload)
    assert rotation_error(before, pair_by_hand(before, workload), workload, "forward") < 1e-6


@pytest.mark.parametrize("spoiled", ["query", "key"])
def test_each_number_counts(workload: Workload, spoiled: str) -> None:
    before = random_pair(workload)
    after = pair_by_hand(before, workload)
    (after[0] if spoiled == "query" else after[1])[0, -1, -1, -1] += 0.1
    assert rotation_error(before, after, workload, "forward") > tolerance(workload)


def test_what_is_not_a_number_is_wrong(workload: Workload) -> None:
    before = random_pair(workload)
    query, key = pair_by_hand(before, workload)
    for value in (math.nan, math.inf):
        key[0, 0, 0, 0] = value
        assert rotation_error(before, (query, key), workload, "forward") == math.inf
    assert rotation_error(before, (query.double(), before[1]), workload, "forward") == math.inf
    assert rotation_error(before, (query[:, :2], before[1]), workload, "forward") == math.inf


def fake(rotation: Rotation) -> Contender:
    return Contender(name="fake", call="fake", prepare=lambda workload: rotation)


def test_a_wrong_contender_is_refused(workload: Workload) -> None:
    def off_by_one(query: torch.Tensor, key: torch.Tensor) -> Pair:
        return pair_by_hand((query, key), workload, shift=1)

    found = enter(fake(off_by_one), workload, "forward", Memory.of(workload))
    assert isinstance(found, Row)
    assert (found.status, found.seconds) == ("wrong", None)
    assert found.error is not None
    # The fastest pair turns by a radian for each position.
    assert found.error == pytest.approx(2 * math.sin(0.5), abs=1e-5)
    assert found.reason is not None
    assert found.reason.startswith("error 0.96, rounding explains")


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_one_that_does_nothing_is_refused(workload: Workload, direction: Direction) -> None:
    nothing = fake(lambda query, key: (query * 1, key * 1))
    found = enter(nothing, workload, direction, Memory.of(workload))
    assert isinstance(found, Row)
    assert found.status == "wrong"


def test_the_other_layout_is_refused(workload: Workload) -> None:
    other = replace(workload, layout="half" if workload.layout == "interleaved" else "interleaved")
    wrong = fake(lambda query, key: pair_by_hand((query, key), other))
    found = enter(wrong, workload, "forward", Memory.of(workload))
    assert isinstance(found, Row)
    assert found.status == "wrong"


def test_one_that_raises_is_refused(workload: Workload) -> None:
    def broken(query: torch.Tensor, key: torch.Tensor) -> Pair:
        raise RuntimeError("no kernel\nfor you")

    found = enter(fake(broken), workload, "forward", Memory.of(workload))
    assert isinstance(found, Row)
    assert (found.status, found.reason) == ("failed", "RuntimeError: no kernel")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    "contender",
    [*OURS, *(p for p in PEERS if "cpu" in p.devices and p.name != "transformers-compiled")],
    ids=lambda contender: contender.name,
)
def test_every_contender_that_is_here_is_right(
    contender: Contender,
    direction: Direction,
    dtype: torch.dtype,
    workload: Workload,
    decoding: Shape,
) -> None:
    if not contender.is_installed:
        pytest.skip(contender.install)
    if workload.layout not in contender.layouts:
        pytest.skip("knows the other layout")
    for shape in (workload.shape, decoding):
        task = replace(workload, shape=shape, dtype=dtype)
        if contender.why_not(task, direction) is None:
            memory = Memory.of(task)
            kept = memory.source[0].clone()
            found = enter(contender, task, direction, memory)
            assert isinstance(found, Entry), found
            assert torch.equal(memory.source[0], kept)


def test_each_says_what_it_cannot(workload: Workload) -> None:
    peers = {peer.name: peer for peer in PEERS}
    assert peers["liger-kernel"].why_not(workload, "forward") == "runs on cuda only"
    gpu = replace(workload, device=torch.device("cuda"))
    assert peers["flashinfer"].why_not(gpu, "forward") == "does not take float32"
    half = replace(gpu, dtype=torch.bfloat16)
    assert peers["flashinfer"].why_not(half, "backward") == "has no backward here"
    assert peers["flashinfer"].why_not(half, "forward") == "takes head_dim 64, 128, 256, 512"
