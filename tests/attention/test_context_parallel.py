"""Where PyTorch's context parallelism is active, attention goes through it or is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from attention.ring import DIM, HEADS, SEQ, THROUGH, gradient_of_the_output, process, tensors
from torch import Tensor, nn
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of two processes that hold half of the tokens each, put together again."""
    folder: Path = tmp_path_factory.mktemp("ring")
    torch.multiprocessing.spawn(
        process, ((folder / "store").as_uri(), str(folder / "out")), nprocs=2
    )
    return torch.load(folder / "out", weights_only=True)


def turned(x: Tensor) -> Tensor:
    """RoPE of positions 0, 1, 2, ... by complex numbers; channel i goes with i + DIM / 2."""
    angle = torch.outer(torch.arange(SEQ).double(), 10_000.0 ** (-torch.arange(0, DIM, 2) / DIM))
    pairs = torch.complex(*x.double().chunk(2, -1)) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat((pairs.real, pairs.imag), -1)


def whole(name: str) -> list[Tensor]:
    """Attention of the whole sequence, written down; its output, and gradients of q, k and v."""
    _, kv_heads, causal, _ = THROUGH[name]
    leaves = query, key, value = [x.double().requires_grad_() for x in tensors(kv_heads)]
    if name != "none":
        query, key = turned(query), turned(key)
    if name == "growing":  # Llama 4's temperature
        query = query * (1 + 0.1 * (1 + torch.arange(SEQ).double() // 4).log())[:, None]
    group = HEADS // kv_heads
    score = query @ key.repeat_interleave(group, 1).mT / DIM**0.5
    if causal:
        score = score.masked_fill(torch.ones(SEQ, SEQ).triu(1).bool(), -torch.inf)
    out = score.softmax(-1) @ value.repeat_interleave(group, 1)
    return [out, *torch.autograd.grad(out, leaves, gradient_of_the_output().double())]


@pytest.mark.parametrize("name", THROUGH)
def test_two_processes_give_what_one_gives(name: str, found: dict[str, Any]) -> None:
    assert_close(found[name][0].double(), whole(name)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", THROUGH)
def test_two_processes_have_the_gradients_that_one_has(name: str, found: dict[str, Any]) -> None:
    for ours, right in zip(found[name][1:], whole(name)[1:], strict=True):
        assert_close(ours.double(), right, rtol=1e-5, atol=1e-5)


def test_two_processes_refuse_what_would_see_half(found: dict[str, Any]) -> None:
    assert "is replaced by a function of torch.distributed" in found["bias"]
    assert "what ALiBi does to scores cannot go through it; call attention" in found["bias"]
    assert "Rotary cannot know which tokens these are; pass positions=" in found["place"]


def another(*args: Any, **kwargs: Any) -> Tensor:
    raise AssertionError("it was called")


PLACES = torch.arange(SEQ)
MASK = torch.ones(SEQ, SEQ, dtype=torch.bool)


@pytest.mark.parametrize(
    ("encoding", "options", "says"),
    [
        (phasor.T5Bias(HEADS), {}, "what T5Bias does to scores cannot"),
        (phasor.CoPE(DIM), {}, "what CoPE does to scores cannot"),
        (phasor.Rotary(DIM), {"mask": MASK}, "a mask, a window or documents cannot"),
        (phasor.Rotary(DIM), {"window": 4}, "a mask, a window or documents cannot"),
        (phasor.Rotary(DIM), {"documents": PLACES // 5}, "a mask, a window or documents cannot"),
        (phasor.Rotary(DIM), {"softcap": 30.0}, "softcap cannot"),
        (phasor.Rotary(DIM), {"impl": "reference"}, "impl='reference' does not go through"),
        (phasor.Rotary(DIM), {"impl": "blockwise"}, "impl='blockwise' does not go through"),
        (phasor.Rotary(DIM), {"impl": "flex"}, "impl='flex' does not go through"),
        (
            phasor.SelectiveRotary(DIM, DIM, num_heads=HEADS),
            {"features": True},
            "SelectiveRotary looks at the tokens of other processes",
        ),
    ],
)
def test_what_cannot_go_through_is_refused(
    encoding: phasor.PositionEncoding,
    options: dict[str, Any],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "features" in options:
        options = {"features": encoding.observe(torch.randn(2, SEQ, DIM))}
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", another)
    with pytest.raises(ArgumentError, match=f"is replaced by a function of .*, and {says}"):
        phasor.attention(*tensors(HEADS), encoding, positions=PLACES, **options)


def test_fewer_queries_than_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", another)
    query, key, value = tensors(HEADS)
    with pytest.raises(ArgumentError, match="attention of 1 queries to 16 keys needs a mask"):
        phasor.attention(query[:, :, -1:], key, value)


def test_positions_that_were_prepared_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", another)
    rotary = phasor.Rotary(DIM)
    with pytest.raises(ArgumentError, match="Rotary cannot know which tokens these are"):
        phasor.attention(*tensors(HEADS), rotary)
    with pytest.raises(AssertionError, match="it was called"):
        phasor.attention(*tensors(HEADS), rotary, prepared=rotary.prepare(PLACES))


def test_afterwards_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = phasor.attention(*tensors(HEADS), phasor.ALiBi(HEADS))
    with monkeypatch.context() as patched:
        patched.setattr(nn.functional, "scaled_dot_product_attention", another)
        with pytest.raises(ArgumentError, match="cannot"):
            phasor.attention(*tensors(HEADS), phasor.ALiBi(HEADS))
    after = phasor.attention(*tensors(HEADS), phasor.ALiBi(HEADS))
    assert_close(after, before, rtol=0, atol=0)
