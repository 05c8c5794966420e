"""Values that turn with their keys, and outputs that turn back: beside the models that do so."""

import dataclasses

import pytest
import torch
from checkpoints.tiny import subjects
from torch import Tensor, nn
from torch.testing import assert_close

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import GeometricSpec, LayerSpec, RotarySpec

SUBJECTS = subjects()


def seen(module: nn.Module, into: list[Tensor], *, before: bool = False) -> None:
    """Keep what comes out of a module, or what goes into it."""
    if before:
        module.register_forward_pre_hook(lambda _, given: into.append(given[0].detach()))
    else:
        module.register_forward_hook(lambda _, given, out: into.append(out.detach()))


def test_deepseek_v4_turns_its_output_back() -> None:
    # Layers of the other types see compressed entries as well.
    types = {"layer_types": ["sliding_attention"] * 2}
    subject = dataclasses.replace(SUBJECTS["DeepseekV4Config"], config=types)
    config, model = subject.build()
    spec = examine(config).spec  # read would warn of the compressed entries
    layer, theirs = spec.layers[0], model.layers[0].self_attn
    with torch.no_grad():
        theirs.sinks.fill_(-1e4)
    queries, keys, outs = [], [], []
    seen(theirs.q_b_norm, queries)
    seen(theirs.kv_norm, keys)
    seen(theirs.o_a_proj, outs, before=True)
    with torch.no_grad():
        model(**subject.some_inputs(), use_cache=False)
    head_dim = config.head_dim
    key = keys[0].unflatten(-1, (-1, head_dim)).transpose(1, 2)
    ours = phasor.attention(
        queries[0], key, key, layer.build(), window=layer.window, values=layer.values
    )
    assert layer.values == "turned_back"
    assert_close(ours.transpose(1, 2).flatten(2), outs[0].flatten(2), atol=2e-6, rtol=0)
    still = phasor.attention(queries[0], key, key, layer.build(), window=layer.window)
    assert (still - ours).abs().max() > 0.1


def test_roformer_turns_values_if_its_config_says_so() -> None:
    from transformers import RoFormerConfig
    from transformers.models.roformer.modeling_roformer import RoFormerModel

    sizes = {"vocab_size": 40, "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    assert phasor.read(RoFormerConfig(**sizes)).layers[0].values == "still"
    config = RoFormerConfig(**sizes, rotary_value=True, intermediate_size=32)
    torch.manual_seed(0)
    model, (layer,) = RoFormerModel(config).eval(), phasor.read(config).layers
    parts: dict[str, list[Tensor]] = {name: [] for name in ("query", "key", "value")}
    block, outs = model.encoder.layer[0].attention, []
    for name, into in parts.items():
        seen(getattr(block.self, name), into)
    seen(block.output.dense, outs, before=True)
    with torch.no_grad():
        model(torch.randint(40, (2, 9)))
    heads = [each[0].unflatten(-1, (2, 16)).transpose(1, 2) for each in parts.values()]
    ours = phasor.attention(*heads, layer.build(), causal=False, values=layer.values)
    assert_close(ours.transpose(1, 2).flatten(2), outs[0], atol=2e-6, rtol=0)


def test_clvp_turns_values() -> None:
    subject = SUBJECTS["ClvpEncoderConfig"]
    config, model = subject.build()
    layer, block = phasor.read(config).layers[0], model.layers[0].self_attn
    parts: dict[str, list[Tensor]] = {name: [] for name in ("q_proj", "k_proj", "v_proj")}
    outs: list[Tensor] = []
    for name, into in parts.items():
        seen(getattr(block, name), into)
    seen(block.out_proj, outs, before=True)
    with torch.no_grad():
        model(**subject.some_inputs())
    shape = (config.num_attention_heads, -1)
    heads = [each[0].unflatten(-1, shape).transpose(1, 2) for each in parts.values()]
    spec = phasor.read(config)
    ours = phasor.attention(*heads, layer.build(), causal=spec.causal, values=layer.values)
    assert_close(ours.transpose(1, 2).flatten(2), outs[0], atol=2e-6, rtol=0)


def test_what_turns_back_depends_on_distances_alone() -> None:
    query, key, value = torch.randn(3, 2, 4, 12, 16, dtype=torch.float64)
    rotary = phasor.Rotary(16, rotary_dim=8, rotary_slice="trailing")
    near, far = (
        phasor.attention(query, key, value, rotary, positions=at, values="turned_back")
        for at in (torch.arange(12), torch.arange(12) + 1000)
    )
    assert_close(near, far, rtol=0, atol=1e-9)
    one = phasor.attention(query[:, :, 11:], key, value, rotary, values="turned_back")
    assert_close(one, near[:, :, 11:])


def test_gradients_reach_turned_values() -> None:
    inputs = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64).unbind()
    rotary = phasor.Rotary(4)
    for each in inputs:
        each.requires_grad_()

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return phasor.attention(query, key, value, rotary, values="turned_back")

    assert torch.autograd.gradcheck(attend, inputs)


def test_refuses_what_cannot_be() -> None:
    query, key, value = torch.randn(3, 1, 2, 5, 8)
    with pytest.raises(ArgumentError, match=r"values must be one of \['still'.*got 'back'"):
        phasor.attention(query, key, value, values="back")  # type: ignore[arg-type]
    with pytest.raises(
        ArgumentError, match=r"values='turned' needs a Rotary or another .* 'value', got ALiBi"
    ):
        phasor.attention(query, key, value, phasor.ALiBi(2), values="turned")
    with pytest.raises(ArgumentError, match=r"for head_dim 8, got a value of shape \[1, 2, 5, 4\]"):
        phasor.attention(query, key, value[..., :4], phasor.Rotary(8), values="turned")
    with pytest.raises(ArgumentError, match=r"needs a RotarySpec and nothing beside it, got \[\]"):
        LayerSpec(values="turned")
    rotary = RotarySpec(head_dim=8, frequencies=GeometricSpec(rotary_dim=8))
    assert LayerSpec(encodings=(rotary,), values="turned").values == "turned"


def test_values_turn_in_a_composition_and_a_layer() -> None:
    query, key, value = torch.randn(3, 1, 2, 5, 8, dtype=torch.float64)
    rotary, alibi = phasor.Rotary(8), phasor.ALiBi(2)
    alone = phasor.attention(query, key, value, rotary, values="turned_back")
    layers = phasor.PerLayer([phasor.Compose(rotary), rotary])
    for encoding in layers:
        assert_close(phasor.attention(query, key, value, encoding, values="turned_back"), alone)
    # By hand: values turned, scores of both, the output turned back.
    both, places = phasor.Compose(alibi, rotary), rotary(torch.arange(5), dtype=torch.float64)
    turned, _ = rotary.rotate(value, None, places)
    out = phasor.attention(query, key, turned, both)
    back = phasor.Rotary(8, frequencies=rotary.frequencies.with_inv_freq(
        -rotary.frequencies.inv_freq
    ))  # fmt: skip
    expected, _ = back.rotate(out, None, back(torch.arange(5), dtype=torch.float64))
    assert_close(phasor.attention(query, key, value, both, values="turned_back"), expected)
    assert both.sites == {"query_key", "score"}


def test_uneven_values_turn() -> None:
    """With even angles it is Rotary; where the angles differ, by the formula."""
    query, key, value = torch.randn(3, 1, 2, 5, 8, dtype=torch.float64)
    pairs = phasor.geometric(8)
    doubled = pairs.with_inv_freq(torch.cat((pairs.inv_freq, pairs.inv_freq), 1))
    even = phasor.UnevenRotary(8, frequencies=doubled, layout="half")
    for values in ("turned", "turned_back"):
        out = phasor.attention(query, key, value, even, values=values)
        assert_close(out, phasor.attention(query, key, value, phasor.Rotary(8), values=values))
