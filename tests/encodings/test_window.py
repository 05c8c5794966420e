"""The biases of a window against transformers' Swin and Swin V2."""

import pytest
import torch
from torch.testing import assert_close
from transformers import Swinv2Config
from transformers.models.swin.modeling_swin import SwinRelativePositionBias
from transformers.models.swinv2.modeling_swinv2 import Swinv2SelfAttention

import phasor
from phasor.attention import attention_scores
from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError

BOTH = [phasor.RelativeTable, phasor.LogCPB]


def bias_of(encoding: phasor.PositionEncoding, grid: torch.Tensor) -> torch.Tensor:
    """`[heads, tokens, tokens]`: what is added to scores of zero."""
    zeros = torch.zeros(1, 3, len(grid), 2, dtype=torch.float64)
    return attention_scores(zeros, zeros, encoding, encoding.prepare(grid, dtype=zeros.dtype))[0]


@pytest.mark.parametrize("window", [(7, 7), (3, 5), (1, 4), (2, 1)])
def test_table_equals_transformers(window: tuple[int, int]) -> None:
    theirs = SwinRelativePositionBias(3, window).double()
    table = phasor.RelativeTable(3, window=window).double()
    with torch.no_grad():
        table.weight.normal_()
        theirs.relative_position_bias_table.copy_(table.weight)
    assert_close(bias_of(table, phasor.positions.grid_2d(*window)), theirs()[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("window", "pretrained"), [((8, 8), None), ((3, 5), None), ((6, 4), (12, 3))]
)
def test_log_cpb_equals_transformers(
    window: tuple[int, int], pretrained: tuple[int, int] | None
) -> None:
    config = Swinv2Config(qkv_bias=False)
    theirs = Swinv2SelfAttention(config, 12, 3, window, pretrained or [0, 0]).eval()
    ours = phasor.LogCPB(3, window=window, pretrained_window=pretrained)
    mlp = theirs.continuous_position_bias_mlp
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), mlp.parameters(), strict=True):
            mine.normal_(std=0.3)
            other.copy_(mine)
        # Without content their scores are the bias alone, and come back after the softmax.
        patches = torch.zeros(1, window[0] * window[1], 12)
        expected = theirs(patches, output_attentions=True)[1][0]
        found = bias_of(ours, phasor.positions.grid_2d(*window)).softmax(-1)
    assert expected.std() > 1e-3
    assert_close(found.float(), expected, rtol=1e-4, atol=1e-6)


def test_an_axis_of_one_patch_has_no_offset_but_zero() -> None:
    """transformers divides 0 by 0 here, and so by reading do the authors."""
    bias = phasor.LogCPB(3, window=(2, 1))
    assert bias.offsets[:, 0].tolist() == pytest.approx([-1.0566417, 0.0, 1.0566417])
    assert bias.offsets[:, 1].tolist() == [0.0, 0.0, 0.0]


def test_initial_values_are_the_authors() -> None:
    """Nearly nothing to a softmax: 0 everywhere in Swin's table, 8 everywhere in log-CPB."""
    grid = phasor.positions.grid_2d(7, 7)
    assert bias_of(phasor.RelativeTable(3, window=(7, 7)), grid).std().item() == pytest.approx(
        0.02, rel=0.2
    )
    assert (bias_of(phasor.LogCPB(3, window=(7, 7)), grid) - 8).abs().max() < 0.5


@pytest.mark.parametrize("encoding", BOTH)
def test_values_come_back_after_to_empty(encoding: type) -> None:
    with torch.device("meta"):
        bias = encoding(3, window=(7, 7))
    bias = bias.to_empty(device="cpu")
    bias.reset_parameters()
    for parameter in bias.parameters():
        assert parameter.abs().max() <= 0.2
        assert parameter.ndim == 1 or parameter.std().item() == pytest.approx(0.02, rel=0.3)


def test_one_axis_needs_no_axis_of_positions() -> None:
    for encoding in BOTH:
        line, grid = encoding(3, window=(5,)), encoding(3, window=(5, 1))
        assert bias_of(line, torch.arange(5)).shape == (3, 5, 5)
        with pytest.raises(ArgumentError, match=r"takes positions \[seq, 2\]"):
            grid.prepare(torch.arange(5))


def test_three_axes() -> None:
    table = phasor.RelativeTable(3, window=(2, 3, 4)).double()
    grid = phasor.positions.grid_3d(2, 3, 4)
    bias = bias_of(table, grid)
    entries = table.weight.view(3, 5, 7, 3)
    for query, key in ((0, 23), (23, 0), (5, 17), (9, 9)):
        t, y, x = (grid[query] - grid[key] + torch.tensor([1, 2, 3])).tolist()
        assert_close(bias[:, query, key], entries[t, y, x])


def test_a_larger_window_agrees_where_both_have_offsets() -> None:
    small = phasor.LogCPB(3, window=(3, 3))
    large = phasor.LogCPB(3, window=(6, 6), pretrained_window=(3, 3))
    large.load_state_dict(small.state_dict())
    grid = phasor.positions.grid_2d(3, 3)
    assert_close(bias_of(large, grid), bias_of(small, grid))


@pytest.mark.parametrize("encoding", BOTH)
def test_windows_of_a_batch_may_lie_anywhere(encoding: type) -> None:
    bias = encoding(3, window=(2, 2)).double()
    grid = phasor.positions.grid_2d(2, 2)
    query, key, value = torch.randn(3, 2, 3, 4, 8, dtype=torch.float64)
    placed = torch.stack((grid, grid + torch.tensor([100, 7])))
    found = phasor.attention(query, key, value, bias, positions=placed, causal=False)
    assert_close(found, phasor.attention(query, key, value, bias, positions=grid, causal=False))


@pytest.mark.parametrize("encoding", BOTH)
@pytest.mark.parametrize("to_key", [[0, 3], [-2, 0]])
def test_refuses_offsets_beyond_the_window(encoding: type, to_key: list[int]) -> None:
    bias = encoding(3, window=(2, 3))
    with pytest.raises(PositionRangeError, match=r"offsets up to . along axis ., got [23]; "):
        bias.prepare(torch.tensor([[0, 0]]), key_positions=torch.tensor([to_key]))


def test_refuses_offsets_beyond_the_window_in_a_graph() -> None:
    table = phasor.RelativeTable(3, window=(4,))

    def gather(positions: torch.Tensor) -> torch.Tensor:
        return bias_of(table, positions)

    compiled = torch.compile(gather, fullgraph=True, backend="aot_eager")
    assert_close(compiled(torch.arange(4)), gather(torch.arange(4)))
    with pytest.raises(RuntimeError, match="RelativeTable has offsets to 3"):
        compiled(torch.arange(4) * 2)


@pytest.mark.parametrize("encoding", BOTH)
def test_refuses_what_is_no_window(encoding: type) -> None:
    with pytest.raises(ArgumentError, match=r"at least one patch along each axis, got \(7, 0\)"):
        encoding(3, window=(7, 0))
    with pytest.raises(ArgumentTypeError, match=r"got 7; for a square window.*pass \(7, 7\)"):
        encoding(3, window=7)
    with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
        encoding(0, window=(7, 7))


def test_refuses_a_pretrained_window_of_other_axes() -> None:
    with pytest.raises(ArgumentError, match=r"same axes, got \(8, 8\) and \(12,\)"):
        phasor.LogCPB(3, window=(8, 8), pretrained_window=(12,))


@pytest.mark.parametrize("encoding", BOTH)
def test_refuses_positions_between_integers(encoding: type) -> None:
    with pytest.raises(ArgumentTypeError, match=r"whole offsets.*positions.long\(\)"):
        encoding(3, window=(4, 4)).prepare(torch.rand(3, 2))
