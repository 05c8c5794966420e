"""Learned vectors of distances: the attention of a model beside the encoding of its spec.

Each test reads a config, builds what the spec says, copies what the model learned into it, and
compares what attention makes of the model's own query, key and value.
"""

import pytest
import torch
from checkpoints.tiny import Subject, subjects
from torch import Tensor, nn
from torch.testing import assert_close

import phasor
from phasor._compose import Compose
from phasor.encodings import DeBERTa, RelativeLogits, Shaw, TransformerXL
from phasor.errors import ArgumentError
from phasor.spec import DeBERTaSpec, LearnedSpec, ScoreTemperatureSpec, TransformerXLSpec

SUBJECTS = subjects("subjects_others.json")


def drawn(subject: Subject) -> tuple[phasor.PositionSpec, nn.Module]:
    """A spec that survives JSON, and the model with numbers that show."""
    config, model = subject.build()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    spec = phasor.read(config)
    assert phasor.PositionSpec.from_json(spec.to_json()) == spec
    return spec, model.requires_grad_(False)


def built(spec: phasor.PositionSpec, at: int = 0) -> phasor.PositionEncoding:
    modules = spec.encodings()
    assert modules[0] is not modules[1]  # each layer learns its own
    return modules[at].requires_grad_(False)


def kept(module: nn.Module) -> list[Tensor]:
    """What comes out of a module from now on."""
    outs: list[Tensor] = []
    module.register_forward_hook(lambda _, given, out: outs.append(_first(out)))
    return outs


def _first(out: Tensor | tuple[Tensor, ...]) -> Tensor:
    return out[0] if isinstance(out, tuple) else out


def heads_of(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def test_wav2vec2_bert_has_shaws_vectors() -> None:
    spec, model = drawn(SUBJECTS["Wav2Vec2BertConfig"])
    shaw, theirs = built(spec), model.encoder.layers[0].self_attn
    assert isinstance(shaw, Shaw)
    shaw.weight.copy_(theirs.distance_embedding.weight)
    parts = [kept(each) for each in (theirs.linear_q, theirs.linear_k, theirs.linear_v)]
    outs = kept(theirs)
    model(torch.randn(2, 13, 16))
    query, key, value = (heads_of(each[0], theirs.num_heads) for each in parts)
    mixed = phasor.attention(query, key, value, shaw, causal=spec.causal)
    ours = theirs.linear_out(mixed.transpose(1, 2).flatten(2))
    assert_close(ours, outs[0], atol=1e-5, rtol=1e-5)


def test_xlnet_is_transformer_xl() -> None:
    spec, model = drawn(SUBJECTS["XLNetConfig"])
    xl, theirs = built(spec), model.layer[0].rel_attn
    assert isinstance(xl, TransformerXL)
    xl.projection.copy_(theirs.r.permute(1, 2, 0))
    xl.content_bias.copy_(theirs.r_w_bias)
    xl.position_bias.copy_(theirs.r_r_bias)
    hidden, outs = kept(model.word_embedding), kept(theirs)
    model(torch.randint(3, 60, (2, 11)))
    x = hidden[0].transpose(0, 1)
    query, key, value = (
        torch.einsum("bih,hnd->bnid", x, each) for each in (theirs.q, theirs.k, theirs.v)
    )
    mixed = phasor.attention(query, key, value, xl, causal=spec.causal)
    ours = theirs.layer_norm(torch.einsum("bnid,hnd->bih", mixed, theirs.o) + x)
    assert_close(ours.transpose(0, 1), outs[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["FastSpeech2ConformerConfig", "Wav2Vec2ConformerConfig"])
def test_conformers_are_transformer_xl(name: str) -> None:
    """Their sines and cosines alternate, so their projection has its columns in another order."""
    spec, model = drawn(SUBJECTS[name])
    if name == "Wav2Vec2ConformerConfig":
        stacks = [(spec, model.encoder.layers[0].self_attn)]
    else:
        encoder, decoder = (each.conformer_layers[0] for each in (model.encoder, model.decoder))
        stacks = [(spec, encoder.self_attn), (spec.tower("decoder"), decoder.self_attn)]
    parts = [[kept(getattr(theirs, f"linear_{at}")) for at in "qkv"] for _, theirs in stacks]
    outs = [kept(theirs) for _, theirs in stacks]
    if name == "Wav2Vec2ConformerConfig":
        model(torch.randn(2, 6000))
    else:
        model.encoder(torch.randint(3, 60, (2, 11)))
        model.decoder(torch.randn(2, 13, 24))
    for (stack, theirs), found, out in zip(stacks, parts, outs, strict=True):
        xl, heads = built(stack), theirs.num_heads
        assert isinstance(xl, TransformerXL)
        columns = theirs.linear_pos.weight.unflatten(0, (heads, -1))
        xl.projection.copy_(torch.cat((columns[..., 0::2], columns[..., 1::2]), dim=-1))
        xl.content_bias.copy_(theirs.pos_bias_u)
        xl.position_bias.copy_(theirs.pos_bias_v)
        query, key, value = (heads_of(each[0], heads) for each in found)
        mixed = phasor.attention(query, key, value, xl, causal=stack.causal)
        ours = theirs.linear_out(mixed.transpose(1, 2).flatten(2))
        assert_close(ours, out[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["DebertaConfig", "DebertaV2Config"])
def test_deberta(name: str) -> None:
    spec, model = drawn(SUBJECTS[name])
    deberta, theirs = built(spec), model.encoder.layer[0].attention.self
    heads = theirs.num_attention_heads
    assert isinstance(deberta, DeBERTa)
    first = name == "DebertaConfig"
    to_key, to_query = (
        (theirs.pos_proj, theirs.pos_q_proj) if first else (theirs.key_proj, theirs.query_proj)
    )
    deberta.weight.copy_(model.encoder.get_rel_embedding())
    deberta.key_projection.copy_(to_key.weight.unflatten(0, (heads, -1)))
    deberta.query_projection.copy_(to_query.weight.unflatten(0, (heads, -1)))
    deberta.query_bias.copy_(to_query.bias.unflatten(0, (heads, -1)))
    hidden, outs = kept(model.embeddings), kept(theirs)
    model(torch.randint(3, 60, (2, 30)))
    x = hidden[0]
    if first:
        query, key, value = heads_of(theirs.in_proj(x), heads).chunk(3, dim=-1)
        query = query + theirs.q_bias.view(heads, 1, -1)
        value = value + theirs.v_bias.view(heads, 1, -1)
    else:
        parts = (theirs.query_proj, theirs.key_proj, theirs.value_proj)
        query, key, value = (heads_of(each(x), heads) for each in parts)
    mixed = phasor.attention(query, key, value, deberta, causal=spec.causal)
    assert_close(mixed.transpose(1, 2).flatten(2), outs[0], atol=1e-5, rtol=1e-5)
    assert (spec.embedding is None) != first


def test_deberta_without_relative_attention_has_a_table_alone() -> None:
    spec = phasor.read({"model_type": "deberta", "num_hidden_layers": 2})
    assert spec.layers[0].encodings == ()
    assert spec.embedding == LearnedSpec(num_positions=512, dim=768)
    half = {"model_type": "deberta-v2", "relative_attention": True, "pos_att_type": "c2p"}
    with pytest.raises(ArgumentError, match=r"pos_att_type \['c2p'\] is not supported: DeBERTa"):
        phasor.read(half)
    whole = phasor.read({**half, "pos_att_type": "p2c|c2p", "position_buckets": 256})
    assert whole.layers[0].encodings == (
        DeBERTaSpec(dim=1536, head_dim=64, num_heads=24, max_distance=512, num_buckets=256),
    )


def test_inkling_mixes_profiles_and_its_scores_grow() -> None:
    subject = SUBJECTS["InklingTextConfig"]
    spec, model = drawn(subject)
    modules, kinds = spec.encodings(), set()
    attentions = [layer.self_attn for layer in model.layers]
    inputs = [kept(layer.input_layernorm) for layer in model.layers]
    queries = [kept(each.q_norm) for each in attentions]
    keys = [kept(each.k_norm) for each in attentions]
    values = [kept(each.v_sconv) for each in attentions]
    outs = [kept(each) for each in attentions]
    model(**subject.some_inputs(), use_cache=False)
    for at, (theirs, layer) in enumerate(zip(attentions, spec.layers, strict=True)):
        encoding = modules[at].requires_grad_(False)
        logits = encoding.encodings[0] if isinstance(encoding, Compose) else encoding
        assert isinstance(logits, RelativeLogits)
        logits.mix.copy_(theirs.r_proj.weight)
        logits.bank.copy_(theirs.rel_logits_proj.proj)
        query, key = (each[at][0].transpose(1, 2) for each in (queries, keys))
        mixed = phasor.attention(
            query,
            key,
            heads_of(values[at][0], theirs.num_key_value_heads),
            encoding,
            features=encoding.observe(inputs[at][0]),
            window=layer.window,
            scale=layer.score_scale,
        )
        ours = theirs.o_proj(mixed.transpose(1, 2).flatten(2))
        assert_close(ours, outs[at][0], atol=1e-4, rtol=1e-4)
        kinds.add((layer.window, len(layer.encodings)))
    assert kinds == {(4, 1), (None, 2)}
    assert ScoreTemperatureSpec(original_seq_len=3) in spec.layers[-1].encodings


def test_distances_that_xlnet_changes_are_refused() -> None:
    for change in ({"clamp_len": 4}, {"bi_data": True}):
        with pytest.raises(ArgumentError, match="clamp_len and bi_data change distances"):
            phasor.read({"model_type": "xlnet", **change})
    causal = phasor.read({"model_type": "xlnet", "attn_type": "uni", "d_model": 64, "n_head": 2})
    assert causal.causal
    expected = TransformerXLSpec(dim=64, head_dim=32, num_heads=2)
    assert causal.layers[0].encodings == (expected,)
