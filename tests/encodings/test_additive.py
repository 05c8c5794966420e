"""What is added to the embedding: against the paper's formula and against transformers."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, PositionRangeError

DIM = 12


def table(encoding: phasor.PositionEncoding, positions: torch.Tensor) -> torch.Tensor:
    zeros = torch.zeros(1, len(positions), DIM, dtype=torch.float64)
    return encoding.embed(zeros, encoding.prepare(positions, dtype=zeros.dtype))[0].detach()


def test_interleaved_is_the_formula_of_the_paper() -> None:
    found = table(phasor.Sinusoidal(DIM), torch.tensor([0, 1, 17, 5000]))
    for row, position in enumerate((0, 1, 17, 5000)):
        for pair in range(DIM // 2):
            angle = position / 10_000 ** (2 * pair / DIM)
            assert math.isclose(found[row, 2 * pair], math.sin(angle), abs_tol=1e-12)
            assert math.isclose(found[row, 2 * pair + 1], math.cos(angle), abs_tol=1e-12)


def test_half_equals_marian_in_transformers() -> None:
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    theirs = MarianSinusoidalPositionalEmbedding(40, DIM)
    expected = theirs.create_weight()
    found = table(phasor.Sinusoidal(DIM, layout="half"), torch.arange(40))
    assert_close(found.float(), torch.as_tensor(expected).float(), rtol=0, atol=1e-6)


def test_rms_is_what_it_says() -> None:
    found = table(phasor.Sinusoidal(DIM, rms=0.02), torch.arange(1000))
    # Each pair's sine and cosine have squares that add up to 1, at every position.
    assert math.isclose(found.square().mean().sqrt().item(), 0.02, rel_tol=1e-9)
    torch.manual_seed(0)
    learned = phasor.Learned(1000, 64, rms=0.3)
    assert math.isclose(learned.weight.square().mean().sqrt().item(), 0.3, rel_tol=0.02)


def test_learned_rows_are_looked_up() -> None:
    learned = phasor.Learned(5, DIM).double()
    assert_close(table(learned, torch.tensor([4, 0, 4])), learned.weight[[4, 0, 4]].detach())


@pytest.mark.parametrize("positions", [torch.arange(6), torch.tensor([-1, 0])])
def test_learned_ends_with_a_clear_error(positions: torch.Tensor) -> None:
    with pytest.raises(PositionRangeError, match="positions 0 to 4 but was asked for") as caught:
        phasor.Learned(5, DIM).prepare(positions)
    assert "make the table longer" in str(caught.value)


def test_learned_ends_with_a_clear_error_under_compile() -> None:
    learned = phasor.Learned(5, DIM)
    compiled = torch.compile(learned.prepare, fullgraph=True, backend="aot_eager")
    assert_close(compiled(torch.arange(5)), learned.weight)
    with pytest.raises(RuntimeError, match="positions 0 to 4"):
        compiled(torch.arange(6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phasor.Sinusoidal(7), "dim must be even and at least 2 for Sinusoidal, got 7"),
        (lambda: phasor.Sinusoidal(8, layout="other"), "layout must be one of"),
        (lambda: phasor.Sinusoidal(8, rms=0.0), "rms must be positive, got 0.0"),
        (lambda: phasor.Learned(0, 8), "at least one position"),
        (lambda: phasor.Learned(8, 8, rms=-1.0), "rms must be positive, got -1.0"),
    ],
)
def test_refuses_with_advice(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call()


def test_refuses_an_embedding_of_another_width() -> None:
    encoding = phasor.Sinusoidal(8)
    with pytest.raises(ArgumentError, match=r"with dim 8, got shape \[1, 3, 6\]"):
        encoding.embed(torch.zeros(1, 3, 6), encoding.prepare(torch.arange(3)))


def test_endpoint_equals_whisper_and_fairseq_in_transformers() -> None:
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding
    from transformers.models.whisper.modeling_whisper import sinusoids

    found = table(phasor.Sinusoidal(DIM, layout="half", endpoint=True), torch.arange(40)).float()
    assert_close(found, sinusoids(40, DIM), rtol=0, atol=1e-5)
    fairseq = M2M100SinusoidalPositionalEmbedding.get_embedding(40, DIM, padding_idx=None)
    assert_close(found, fairseq, rtol=0, atol=1e-5)
    with pytest.raises(ArgumentError, match="needs at least two pairs, got dim=2"):
        phasor.Sinusoidal(2, endpoint=True)


def test_offset_equals_opt_in_transformers() -> None:
    from transformers.models.opt.modeling_opt import OPTLearnedPositionalEmbedding

    theirs = OPTLearnedPositionalEmbedding(5, DIM)
    learned = phasor.Learned(5, DIM, offset=2)
    assert learned.weight.shape == theirs.weight.shape
    with torch.no_grad():
        learned.weight.copy_(theirs.weight)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    expected = theirs(mask, 0)
    found = learned.prepare(phasor.positions.from_mask(mask.bool()))
    assert_close(found[mask.bool()], expected[mask.bool()], rtol=0, atol=0)
    with pytest.raises(PositionRangeError, match="positions 0 to 4 but was asked for 5"):
        learned.prepare(torch.tensor([5]))
    with pytest.raises(ArgumentError, match="offset must be at least 0, got -1"):
        phasor.Learned(5, DIM, offset=-1)
