"""T5's buckets in other models, and CTRL's sines: what the models do beside their specs."""

from typing import Any

import torch
from checkpoints.tiny import Subject, subjects
from torch import Tensor, nn
from torch.testing import assert_close

import phasor
from phasor._read import examine
from phasor.encodings import T5Bias
from phasor.spec import SinusoidalSpec, T5BiasSpec

SUBJECTS = subjects("subjects_others.json")


def drawn(subject: Subject) -> tuple[phasor.PositionSpec, Any]:
    config, model = subject.build()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return phasor.read(config), model.requires_grad_(False)


def with_table(spec: phasor.PositionSpec, table: Tensor) -> T5Bias:
    bias = spec.encodings()[0]
    assert isinstance(bias, T5Bias)
    bias.requires_grad_(False).weight.copy_(table)
    return bias


def kept(module: nn.Module) -> list[Tensor]:
    outs: list[Tensor] = []
    module.register_forward_hook(
        lambda _, given, out: outs.append(out[0] if isinstance(out, tuple) else out)
    )
    return outs


def heads_of(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def test_mpnet() -> None:
    spec, model = drawn(SUBJECTS["MPNetConfig"])
    bias = with_table(spec, model.encoder.relative_attention_bias.weight)
    theirs = model.encoder.layer[0].attention.attn
    parts = [kept(each) for each in (theirs.q, theirs.k, theirs.v)]
    tokens, outs, rows = torch.randint(3, 60, (2, 150)), kept(theirs), []
    model.embeddings.position_embeddings.register_forward_hook(
        lambda _, given, out: rows.append(given[0])
    )
    model(tokens)
    query, key, value = (heads_of(each[0], theirs.num_attention_heads) for each in parts)
    mixed = phasor.attention(query, key, value, bias, causal=spec.causal)
    ours = theirs.o(mixed.transpose(1, 2).flatten(2))
    assert_close(ours, outs[0], atol=1e-4, rtol=1e-4)
    assert spec.embedding is not None
    assert rows[0][0].tolist() == list(range(spec.embedding.offset, spec.embedding.offset + 150))
    table = model.embeddings.position_embeddings.weight
    assert spec.embedding.num_positions + spec.embedding.offset == len(table)


def test_longt5_sees_a_window_in_its_encoder() -> None:
    spec, model = drawn(SUBJECTS["LongT5Config"])
    tokens = {"input_ids": torch.randint(3, 60, (2, 30))}
    stacks = (
        (spec.tower("encoder"), model.encoder.block[0].layer[0].LocalSelfAttention),
        (spec, model.decoder.block[0].layer[0].SelfAttention),
    )
    found = []
    for _, theirs in stacks:
        parts = [kept(each) for each in (theirs.q, theirs.k, theirs.v)]
        found.append((parts, kept(theirs)))
    model(**tokens, decoder_input_ids=torch.randint(3, 60, (2, 40)), use_cache=False)
    for (stack, theirs), (parts, outs) in zip(stacks, found, strict=True):
        bias, layer = with_table(stack, theirs.relative_attention_bias.weight), stack.layers[0]
        query, key, value = (heads_of(each[0], 4) for each in parts)
        # Of a window on both sides, attention wants one of the two.
        window = None if layer.window is None else (layer.window + 1) // 2
        mixed = phasor.attention(
            query,
            key,
            value,
            bias,
            causal=stack.causal,
            scale=layer.score_scale,
            window=window,
        )
        ours = theirs.o(mixed.transpose(1, 2).flatten(2))
        assert_close(ours, outs[0], atol=1e-4, rtol=1e-4)
    assert [stack.layers[0].window for stack, _ in stacks] == [7, None]


def test_longt5_with_global_tokens_says_what_is_missing() -> None:
    reading = examine({"model_type": "longt5", "encoder_attention_type": "transient-global"})
    assert any("a summary of each block" in note for note in reading.notes)
    (stated,) = reading.spec.tower("encoder").layers[0].encodings
    assert stated == T5BiasSpec(num_heads=8, bidirectional=True)


def test_ctrl_adds_sines() -> None:
    spec, model = drawn(SUBJECTS["CTRLConfig"])
    stated, dim = spec.embedding, model.config.n_embd
    assert stated == SinusoidalSpec(dim=dim, layout="half")
    tokens, outs = torch.randint(3, 60, (2, 200)), kept(model.dropout)
    model(tokens)
    encoding = stated.build()
    ours = encoding.embed(model.w(tokens) * dim**0.5, encoding.prepare(torch.arange(200)))
    assert_close(outs[0], ours, atol=1e-4, rtol=0)
