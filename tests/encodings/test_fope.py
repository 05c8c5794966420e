"""FoPE against its sums written out one number at a time, and what its authors' code keeps."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

DIM, HEADS, LENGTH = 8, 2, 100


def fope(**more: object) -> phasor.FoPE:
    torch.manual_seed(1)
    arguments = {"num_heads": HEADS, "original_seq_len": LENGTH, **more}
    return phasor.FoPE(DIM, **arguments).double()  # type: ignore[arg-type]


def activations(seq: int, heads: int = HEADS, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, heads, seq, DIM, generator=generator, dtype=torch.float64)


def rotate(encoding: phasor.FoPE, x: torch.Tensor, positions: list[int]) -> torch.Tensor:
    prepared = encoding.prepare(torch.tensor(positions), dtype=torch.float64)
    return encoding.rotate(x, None, prepared)[0]


@pytest.mark.parametrize("left_out_sin", [0, 1])
def test_equals_its_sums(left_out_sin: int) -> None:
    """Of 1, 0.1, 0.01, 0.001 the first two have a period within 100 tokens (2 pi / 100 = 0.063)."""
    encoding = fope(left_out_sin=left_out_sin)
    omega = [1.0, 0.1]
    assert encoding.cos_mix.shape == encoding.sin_mix.shape == (HEADS, 2, 2)
    positions = [0, 1, 2, 7, 99, 4000]
    x = activations(len(positions))
    wanted = torch.empty_like(x)
    for head in range(HEADS):
        for row, m in enumerate(positions):
            for pair in range(4):
                cos, sin = 1.0, float(left_out_sin)
                if pair < 2:
                    cos = sum(
                        math.cos(m * omega[k]) * encoding.cos_mix[head, k, pair].item()
                        for k in range(2)
                    )
                    sin = sum(
                        math.sin(m * omega[k]) * encoding.sin_mix[head, k, pair].item()
                        for k in range(2)
                    )
                first, second = x[:, head, row, pair], x[:, head, row, pair + 4]
                wanted[:, head, row, pair] = first * cos - second * sin
                wanted[:, head, row, pair + 4] = second * cos + first * sin
    assert_close(rotate(encoding, x, positions), wanted, rtol=1e-12, atol=1e-12)


def test_without_the_random_part_it_turns_the_fast_pairs_as_rope_does() -> None:
    x, positions = activations(5), [0, 3, 9, 50, 1000]
    found = rotate(fope(gain=0.0, left_out_sin=0), x, positions)
    for pair in range(4):
        angle = torch.tensor(positions).double() * (10.0**-pair if pair < 2 else 0.0)
        turned = torch.complex(x[..., pair], x[..., pair + 4]) * torch.polar(
            torch.ones_like(angle), angle
        )
        assert_close(found[..., pair], turned.real)
        assert_close(found[..., pair + 4], turned.imag)


def test_pairs_left_out_count_double_in_the_authors_code() -> None:
    x = activations(3)
    found, plain = (rotate(fope(left_out_sin=sin), x, [0, 5, 70]) for sin in (1, 0))
    slow = [2, 3, 6, 7]
    assert_close(plain[..., slow], x[..., slow], rtol=0, atol=0)
    assert_close(found[..., slow] @ found[..., slow].mT, 2 * x[..., slow] @ x[..., slow].mT)


@pytest.mark.parametrize(("length", "kept"), [(512, 16), (1024, 18), (7, 1), (10**9, 32)])
def test_keeps_what_the_training_length_sees_whole(length: int, kept: int) -> None:
    """For 64 channels and base 10000: p < 32 ln(L / 2 pi) / ln 10000."""
    encoding = phasor.FoPE(64, num_heads=1, original_seq_len=length)
    assert encoding.frequencies.pairs == kept
    assert kept == min(32, math.floor(32 * math.log(length / 2 / math.pi) / math.log(1e4)) + 1)


def test_starts_near_the_identity_by_the_authors_spread() -> None:
    """Xavier's normal for [heads, D, D]: the fans are D D and heads D."""
    torch.manual_seed(0)
    encoding = phasor.FoPE(128, num_heads=8, original_seq_len=10**9, gain=0.4)
    std = 0.4 * math.sqrt(2 / (64 * 64 + 8 * 64))
    for mix in (encoding.cos_mix, encoding.sin_mix):
        noise = mix - torch.eye(64)
        assert noise.std().item() == pytest.approx(std, rel=0.03)
        assert abs(noise.mean().item()) < std / 50


def test_queries_of_a_group_share_the_mixture_of_their_key() -> None:
    encoding = fope()
    query, key = activations(4, heads=6), activations(4)
    found = encoding.rotate(query, key, encoding.prepare(torch.arange(4), dtype=torch.float64))
    for head in range(6):
        alone = key.clone()
        alone[:, head // 3] = query[:, head]
        assert_close(found[0][:, head], rotate(encoding, alone, [0, 1, 2, 3])[:, head // 3])


def test_autocast_and_float32_parameters_cost_no_angle() -> None:
    encoding = fope()
    wanted = encoding.prepare(torch.tensor([10**6]), dtype=torch.float64).query.parts[0]
    with torch.autocast("cpu", torch.bfloat16):
        found = encoding.prepare(torch.tensor([10**6]))
    assert_close(found.query.parts[0], wanted.float(), rtol=1e-6, atol=1e-6)


def test_gradients_reach_the_mixtures() -> None:
    encoding, x = fope(), activations(3)[:1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *_: rotate(encoding, x, [0, 3, 11]), (x, encoding.cos_mix, encoding.sin_mix)
    )


def test_refuses_what_does_not_fit() -> None:
    for bad, message in (
        ({"num_heads": 0}, "num_heads must be at least 1, got 0"),
        ({"gain": -1.0}, r"gain must be a number from 0 on, got -1\.0"),
        ({"left_out_sin": 0.5}, r"must be 1 \(the authors' code\) or 0 \(vLLM\), got 0\.5"),
        ({"original_seq_len": 0}, "original_seq_len must be at least 1"),
        ({"original_seq_len": 6}, r"no frequency has a period within original_seq_len=6"),
    ):
        with pytest.raises(ArgumentError, match=message):
            fope(**bad)
    encoding, x = fope(), activations(3)
    with pytest.raises(ArgumentTypeError, match=r"pass dtype=torch\.float64 to prepare"):
        encoding.rotate(x, None, encoding.prepare(torch.arange(3)))
    with pytest.raises(ArgumentError, match="built for 2 heads, got a query with 3"):
        rotate(encoding, activations(3, heads=3), [0, 1, 2])
    with pytest.raises(ArgumentError, match="prepared for 2 positions but query has 3"):
        rotate(encoding, x, [0, 1])
