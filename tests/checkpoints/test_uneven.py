"""V-JEPA 2: what its encoder and its predictor turn, beside their specs."""

import pytest
import torch
from checkpoints.seams import Seams
from checkpoints.tiny import subjects
from torch.testing import assert_close

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import GeometricSpec, UnevenRotarySpec

FRAMES, ROWS = 2, 3


def test_vjepa2_turns_as_its_spec_says() -> None:
    config, model = subjects("subjects_others.json")["VJEPA2Config"].build()
    spec, seen = phasor.read(config), set()
    stacks = {"encoder": spec, "predictor": spec.tower("predictor")}
    steps = (torch.arange(FRAMES), torch.arange(ROWS), torch.arange(ROWS))
    # The predictor sees each patch twice: as context and as target.
    positions = {"encoder": torch.cartesian_prod(*steps)}
    positions["predictor"] = positions["encoder"].repeat_interleave(2, dim=0)
    with Seams(model) as seams, torch.no_grad():
        model(torch.randn(1, 2 * FRAMES, 3, 8 * ROWS, 8 * ROWS))
    for turn in seams.turns:
        name, at = turn.path.split(".")[0], seams.layer(turn.path, turn.owner)
        assert at is not None
        (stated,) = stacks[name].layers[at].encodings
        assert isinstance(stated, UnevenRotarySpec)
        if turn.before[0].shape[-1] != stated.head_dim:  # one axis of three
            continue
        encoding, heads = stated.build(), turn.before[0].double()
        ours, _ = encoding.rotate(heads, None, encoding.prepare(positions[name], dtype=heads.dtype))
        assert_close(ours.float(), turn.after[0], rtol=0, atol=1e-6)
        seen.add((name, at))
    assert seen == {(name, at) for name, stack in stacks.items() for at in range(len(stack.layers))}
    assert not spec.causal
    assert not spec.tower("predictor").causal


def test_what_no_rule_covers_is_refused() -> None:
    whole = GeometricSpec(rotary_dim=8)
    with pytest.raises(ArgumentError, match="of one block, got blocks=2 as well"):
        UnevenRotarySpec(head_dim=8, frequencies=whole, blocks=2, sections=(2, 2), layout="half")
    scaling = phasor.scaling.dynamic_ntk(factor=2, original_seq_len=8)
    with pytest.raises(ArgumentError, match=r"have no rule.*settle it with \.at\(seq_len\)"):
        UnevenRotarySpec(head_dim=8, frequencies=whole, scaling=scaling, layout="half")


def test_hunyuan_vl_is_what_transformers_computes_and_says_so() -> None:
    axes = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 8, 8, 8]}
    reading = examine({"model_type": "hunyuan_vl_text", "head_dim": 64, "rope_parameters": axes})
    whole = GeometricSpec(rotary_dim=64)
    expected = UnevenRotarySpec(
        head_dim=64, frequencies=whole, sections=(8, 8, 8, 8), layout="half"
    )
    assert {layer.encodings for layer in reading.spec.layers} == {(expected,)}
    assert [note for note in reading.notes if "Tencent's own code and vLLM rotate" in note]
