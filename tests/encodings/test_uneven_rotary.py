"""Pairs whose two channels turn by different angles, against the code that does so."""

import pytest
import torch
from torch.testing import assert_close
from transformers.models.vjepa2.modeling_vjepa2 import rotate_queries_or_keys

import phasor
from phasor.errors import ArgumentError
from phasor.rotary import doubled_sections, tiled

FAR = torch.tensor([0, 1, 5, 31, 255])


def vjepa2(head_dim: int, blocks: int = 1) -> phasor.UnevenRotary:
    frequencies = phasor.axial(head_dim, axes=blocks)
    return phasor.UnevenRotary(
        head_dim, frequencies=tiled(frequencies, blocks=blocks), layout="interleaved"
    )


def test_one_axis_equals_vjepa2_in_float64() -> None:
    heads = torch.randn(2, 3, len(FAR), 20, dtype=torch.float64)
    theirs = rotate_queries_or_keys(heads, FAR)
    encoding = vjepa2(20)
    ours, _ = encoding.rotate(heads, None, encoding.prepare(FAR, dtype=torch.float64))
    assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_float32_equals_vjepa2_to_rounding() -> None:
    heads = torch.randn(2, 3, len(FAR), 20)
    encoding = vjepa2(20)
    ours, _ = encoding.rotate(heads, None, encoding.prepare(FAR))
    # Their angles are float32 products, of up to 255 radians.
    assert_close(ours, rotate_queries_or_keys(heads, FAR), rtol=0, atol=255 * 2**-23)


def test_it_is_no_rotation() -> None:
    heads = torch.randn(1, 1, 3, 8, generator=torch.Generator().manual_seed(0))
    encoding = vjepa2(8)
    turned, _ = encoding.rotate(heads, None, encoding.prepare(torch.tensor([0, 3, 9])))
    lengths = [x.unflatten(-1, (-1, 2)).norm(dim=-1) for x in (heads, turned)]
    assert_close(lengths[0][..., 0, :], lengths[1][..., 0, :])  # position 0 stays where it is
    assert (lengths[0] - lengths[1]).abs().max() > 0.4


def test_even_angles_are_a_rotation() -> None:
    """What both rules have in common with `Rotary`: halves of one block, and equal axes."""
    rotary, query = phasor.Rotary(8, rotary_dim=6), torch.randn(1, 2, len(FAR), 8)
    expected, _ = rotary.rotate(query, None, rotary.prepare(FAR))
    whole = phasor.geometric(6)
    for frequencies, positions in (
        (tiled(whole), FAR),
        (doubled_sections(whole, (1, 2)), FAR[:, None].expand(-1, 2)),
    ):
        encoding = phasor.UnevenRotary(8, frequencies=frequencies, layout="half")
        turned, _ = encoding.rotate(query, None, encoding.prepare(positions))
        assert_close(turned, expected)


def test_doubled_sections_are_those_of_hunyuan_vl() -> None:
    from transformers.models.hunyuan_vl.configuration_hunyuan_vl import HunYuanVLTextConfig
    from transformers.models.hunyuan_vl.modeling_hunyuan_vl import (
        HunYuanVLRotaryEmbedding,
        apply_rotary_pos_emb,
    )

    parameters = {"rope_type": "default", "rope_theta": 100.0, "mrope_section": [1, 3, 2, 2]}
    config = HunYuanVLTextConfig(head_dim=16, rope_parameters=parameters)
    positions = torch.randint(0, 90, (4, 2, 7), generator=torch.Generator().manual_seed(0))
    query, key = torch.randn(2, 2, 3, 7, 16)
    cos, sin = HunYuanVLRotaryEmbedding(config)(query, positions)
    theirs = apply_rotary_pos_emb(query, key, cos, sin)
    encoding = phasor.UnevenRotary(
        16, frequencies=doubled_sections(phasor.geometric(16, 100.0), (1, 3, 2, 2)), layout="half"
    )
    ours = encoding.rotate(query, key, encoding.prepare(positions.movedim(0, -1)))
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, rtol=0, atol=90 * 2**-23)


def test_softmax_scale_and_gain_reach_what_they_should() -> None:
    frequencies = phasor.Frequencies(tiled(phasor.geometric(4)).inv_freq, None, 2.0, 3.0)
    encoding = phasor.UnevenRotary(6, frequencies=frequencies, layout="half")
    ones = torch.ones(1, 1, 1, 6)
    query, key = encoding.rotate(ones, ones, encoding.prepare(torch.tensor([0])))
    assert query.flatten().tolist() == [6.0, 6.0, 6.0, 6.0, 3.0, 3.0]
    assert key is not None
    assert key.flatten().tolist() == [2.0, 2.0, 2.0, 2.0, 1.0, 1.0]


def test_refuses_what_cannot_be() -> None:
    pairs = phasor.geometric(6)
    with pytest.raises(ArgumentError, match="even number and at most head_dim 8, got 3"):
        phasor.UnevenRotary(8, frequencies=pairs, layout="half")
    with pytest.raises(ArgumentError, match="at most head_dim 4, got 6"):
        phasor.UnevenRotary(4, frequencies=tiled(pairs), layout="half")
    with pytest.raises(ArgumentError, match=r"blocks must divide the 3 pairs of the freq.*got 2"):
        tiled(pairs, blocks=2)
    with pytest.raises(ArgumentError, match=r"must add up to the 3 pairs .* got \[1, 1\], which"):
        doubled_sections(pairs, (1, 1))
    with pytest.raises(ArgumentError, match="divides frequencies of one axis, got 3 axes"):
        doubled_sections(phasor.axial(6, axes=3), (1, 2))
    encoding = vjepa2(8)
    with pytest.raises(ArgumentError, match="prepared for 3 positions but query has 4"):
        encoding.rotate(torch.ones(1, 1, 4, 8), None, encoding.prepare(torch.arange(3)))
