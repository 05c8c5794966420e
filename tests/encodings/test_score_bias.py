"""The base of biases on the score: a first encoding in seven lines, and heads by number."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError

HEADS = 6


class Decay(phasor.ScoreBias):
    paper = "none: an example"

    def __init__(self, num_heads: int) -> None:
        super().__init__(num_heads)
        self.slope = torch.nn.Parameter(torch.full((num_heads,), 0.1))

    def bias(self, head: Tensor, m: Tensor, n: Tensor, slope: Tensor) -> Tensor:
        return -slope[head] * (m - n).abs()


class Logarithm(phasor.ScoreBias):
    """KERPLE's, within its bounds."""

    paper = "arXiv:2205.09921"

    def __init__(self, r1: Tensor, r2: Tensor) -> None:
        super().__init__(len(r1))
        self.r1, self.r2 = torch.nn.Parameter(r1), torch.nn.Parameter(r2)

    def bias(self, head: Tensor, m: Tensor, n: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        return -r1[head] * torch.log1p(r2[head] * (m - n).abs())


def _pair(name: str) -> tuple[phasor.PositionEncoding, phasor.PositionEncoding]:
    """One in seven lines, and the library's with the same numbers."""
    if name == "alibi":
        alibi, decay = phasor.ALiBi(HEADS), Decay(HEADS).double()
        decay.slope.data.copy_(alibi.slopes)
        return decay, alibi
    kerple = phasor.KERPLE(HEADS)
    return Logarithm(kerple.r1.data.clone(), kerple.r2.data.clone()), kerple


def _inputs(dtype: torch.dtype, batched: bool) -> tuple[list[Tensor], Tensor]:
    tensors = [torch.randn(2, heads, 13, 16).to(dtype) for heads in (HEADS, 2, 2)]
    positions = torch.arange(13)
    return tensors, torch.stack((positions, positions + 7)) if batched else positions


def _flex(
    query: Tensor, key: Tensor, value: Tensor, encoding: phasor.PositionEncoding, positions: Tensor
) -> Tensor:
    score_mod = encoding.score_mod(encoding.prepare(positions))
    return flex_attention(query, key, value, score_mod=score_mod, enable_gqa=True)


@pytest.mark.parametrize("name", ["alibi", "kerple"])
@pytest.mark.parametrize("impl", ["reference", "sdpa", "blockwise"])
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_seven_lines_equal_the_library(
    name: str, impl: str, batched: bool, dtype: torch.dtype
) -> None:
    own, library = _pair(name)
    tensors, positions = _inputs(dtype, batched)
    with torch.no_grad():
        found, wanted = (
            phasor.attention(*tensors, encoding, positions=positions, impl=impl)
            for encoding in (own, library)
        )
    assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
@pytest.mark.parametrize("name", ["alibi", "kerple"])
@pytest.mark.parametrize("batched", [False, True])
def test_flex_attention_takes_it(name: str, batched: bool) -> None:
    own, library = _pair(name)
    (query, key, value), positions = _inputs(torch.float32, batched)
    with torch.no_grad():
        found, wanted = (
            _flex(query, key, value, encoding, positions) for encoding in (own, library)
        )
        assert_close(found, wanted, rtol=0, atol=0)
        tensors = (query, key, value, own)
        wanted = phasor.attention(*tensors, positions=positions, causal=False, impl="reference")
    assert_close(found, wanted)


@pytest.mark.parametrize("positions", [torch.arange(13), torch.arange(13.0)], ids=["int", "float"])
def test_decode_equals_prefill(positions: Tensor) -> None:
    tensors, _ = _inputs(torch.float64, False)
    query, key, value = tensors
    decay = Decay(HEADS)
    whole = phasor.attention(query, key, value, decay, positions=positions)
    for at in range(13):
        step = phasor.attention(
            query[:, :, at : at + 1],
            key[:, :, : at + 1],
            value[:, :, : at + 1],
            decay,
            positions=positions[at : at + 1],
            key_positions=positions[: at + 1],
        )
        assert_close(step, whole[:, :, at : at + 1], rtol=1e-12, atol=1e-12)


def test_compiles_in_one_graph() -> None:
    decay = Decay(HEADS)
    compiled = torch.compile(phasor.attention, fullgraph=True, backend="aot_eager")
    for batched in (False, True):
        tensors, positions = _inputs(torch.float32, batched)
        found = compiled(*tensors, decay, positions=positions)
        assert_close(found, phasor.attention(*tensors, decay, positions=positions))


def test_what_is_prepared_is_no_parameter() -> None:
    decay = Decay(HEADS)
    term = decay.prepare(torch.arange(3)).terms[0]
    assert term.data_ptr() != decay.slope.data_ptr()
    term.sum().backward()
    assert torch.equal(decay.slope.grad, torch.ones(HEADS))


BIASES = {
    "alibi": lambda: phasor.ALiBi(HEADS),
    "kerple": lambda: phasor.KERPLE(HEADS),
    "t5": lambda: phasor.T5Bias(HEADS),
    "fire": lambda: phasor.FIRE(HEADS),
    "sandwich": lambda: phasor.Sandwich(HEADS),
    "relative-table": lambda: phasor.RelativeTable(HEADS, window=(64,)),
    "log-cpb": lambda: phasor.LogCPB(HEADS, window=(64,)),
    "own": lambda: Decay(HEADS),
}


@pytest.mark.parametrize("name", BIASES)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_some_heads_are_those_of_all(name: str) -> None:
    encoding = BIASES[name]()
    for parameter in encoding.parameters():
        torch.nn.init.normal_(parameter)
    query, key, value = torch.randn(3, 2, HEADS, 13, 16)
    with torch.no_grad():
        whole = phasor.attention(query, key, value, encoding)
        part = encoding.heads(1, 5).heads(1, 3)  # 2 and 3
        cut = [x[:, 2:4] for x in (query, key, value)]
        assert_close(phasor.attention(*cut, part), whole[:, 2:4])
        wanted = phasor.attention(query, key, value, encoding, causal=False)[:, 2:4]
        assert_close(_flex(*cut, part, torch.arange(13)), wanted)
    assert [*part.parameters()] == [*encoding.parameters()]
    assert "heads 2 to 3 of them" in repr(part)


def test_some_heads_share_what_is_learned() -> None:
    decay = Decay(HEADS)
    part = decay.heads(2, 4)
    phasor.attention(*torch.randn(3, 1, 2, 5, 8), part).square().sum().backward()
    assert decay.slope.grad is not None
    assert decay.slope.grad.nonzero().flatten().tolist() == [2, 3]
    assert decay.num_heads == HEADS


def test_slopes_for_flash_attention_are_those_of_the_heads() -> None:
    alibi = phasor.ALiBi(HEADS)
    assert torch.equal(alibi.heads(2, 4).alibi_slopes, alibi.alibi_slopes[2:4])


@pytest.mark.parametrize("which", [(-1, 2), (0, 7), (3, 3), (4, 2)])
def test_heads_that_there_are_not(which: tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match="has heads 0 to 5, got heads"):
        Decay(HEADS).heads(*which)


def test_the_sentences_of_the_base_name_the_class() -> None:
    decay, (tensors, _) = Decay(HEADS), _inputs(torch.float64, False)
    with pytest.raises(ArgumentError, match="Decay was built for 6 heads but the query has 2; "):
        phasor.attention(*(x[:, :2] for x in tensors), decay)
    with pytest.raises(ArgumentError, match="Decay was prepared for 12 positions but query has"):
        phasor.attention(*tensors, decay, prepared=decay.prepare(torch.arange(12)))
    with pytest.raises(ArgumentTypeError, match=r"Decay was prepared in torch\.float32; pass"):
        phasor.attention(*tensors, decay, prepared=decay.prepare(torch.arange(13)))
    with pytest.raises(ArgumentTypeError, match="num_heads must be an integer, got '8'"):
        Decay("8")


def test_forgotten() -> None:
    with pytest.raises(SiteError, match=r"Silent is a ScoreBias but has no bias\(\); implement"):

        class Silent(phasor.ScoreBias):
            paper = "none"

    with pytest.raises(SiteError, match="Nameless must say where it was published"):

        class Nameless(phasor.ScoreBias):
            def bias(self, head, m, n):
                return m - n


def test_a_bias_without_terms_takes_the_dtype_of_the_scores() -> None:
    class Fixed(phasor.ScoreBias):
        paper = "none"

        def bias(self, head: Tensor, m: Tensor, n: Tensor) -> Tensor:
            return (m - n).abs() * -0.5

    alibi = phasor.ALiBi(1)
    alibi.slopes.fill_(0.5)
    tensors = torch.randn(3, 1, 1, 9, 8, dtype=torch.float64)
    for positions in (torch.arange(9), torch.arange(9.0)):
        found, wanted = (
            phasor.attention(*tensors, each, positions=positions) for each in (Fixed(1), alibi)
        )
        assert torch.equal(found, wanted)


def test_a_copy_of_some_heads_stands_alone() -> None:
    decay = Decay(HEADS)
    part = copy.deepcopy(decay.heads(2, 4))
    decay.slope.data.zero_()
    assert part.slope.ne(0).all()
