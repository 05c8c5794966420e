"""Position at the embedding and at the score: a model beside its spec."""

import re
from typing import Any

import torch
from checkpoints.proof import ATOL, Proof, expected_to_see, is_cross, seen, stack_of
from checkpoints.seams import Seams
from checkpoints.tiny import SEQ, Subject
from torch import Tensor, nn
from torch.testing import assert_close

from phasor import T5Bias
from phasor._read.reader import examine
from phasor.attention import attention_scores
from phasor.encoding import PositionEncoding
from phasor.spec import ALiBiSpec, LearnedSpec, PositionSpec, SinusoidalSpec, T5BiasSpec

_TABLE = re.compile(
    r"(^|\.)(embed_positions?|position_embeddings?|positions_embed|position_embeds_layer|positional_embedding|wpe)$"
)


def prove_elsewhere(subject: Subject) -> Proof:
    """Run a tiny model and compare the rows it reads, or the biases it adds, with its spec."""
    config, model = subject.build()
    spec, proof = examine(config).spec, Proof()
    rows: list[tuple[str, nn.Module, Tensor]] = []
    biases: list[tuple[str, nn.Module, Tensor]] = []
    for path, module in model.named_modules():
        made = any(hasattr(module, name) for name in ("weight", "weights", "max_scale"))
        if _TABLE.search(path) and made:
            module.register_forward_hook(
                lambda module, _, out, path=path: rows.append((path, module, out.clone()))
            )
        if getattr(module, "has_relative_attention_bias", False):
            biases.append((path, module, module.compute_bias(SEQ, SEQ)))
    with Seams(model) as seams, torch.no_grad():
        model(**subject.some_inputs())
    stated = next((each for layer in spec.layers for each in layer.encodings), None)
    if isinstance(stated, ALiBiSpec):
        found = _their_alibi(model, stated.num_heads)
        proof.compared += 1
        if (slopes_of(spec) - (found[:, 0, 1] - found[:, 0, 0])).abs().max() > ATOL:
            proof.differs("other slopes")
    if seams.turns:
        proof.differs("something turns")
    for path, module, found in rows:
        _compare_rows(path, module, found, stack_of(spec, path), proof)
    for path, module, found in biases:
        _compare_buckets(path, module, found, stack_of(spec, path), proof)
    for attention in seams.attentions:
        stack = stack_of(spec, attention.path)
        if is_cross(attention.path):
            continue
        visible = seen(attention.mask, stack)
        if visible is not None and visible != expected_to_see(stack.layers[0], stack):
            proof.differs(f"{stack.model} sees {visible} of {SEQ} tokens")
    return proof


def _their_alibi(model: Any, heads: int) -> Tensor:
    """[heads, 1, keys]"""
    if hasattr(model, "build_mpt_alibi_tensor"):
        return model.build_mpt_alibi_tensor(heads, SEQ)
    return model.build_alibi_tensor(torch.ones(1, SEQ), heads, torch.float32)


def _compare_rows(path: str, module: Any, found: Tensor, stack: PositionSpec, proof: Proof) -> None:
    stated = stack.embedding
    found = found.reshape(-1, *found.shape[-2:])[0, :SEQ]  # Longformer pads to its window
    if isinstance(stated, LearnedSpec):
        size = [stated.num_positions + stated.offset, stated.dim]
        if list(module.weight.shape) != size:
            proof.differs(f"{path} is {list(module.weight.shape)}, not {size}")
        expected = module.weight[stated.offset : stated.offset + SEQ]
    elif isinstance(stated, SinusoidalSpec):
        encoding = stated.build()
        expected = encoding.embed(
            torch.zeros(1, SEQ, stated.dim), encoding.prepare(torch.arange(SEQ))
        )[0]
    else:
        proof.differs(f"{path} is read, which {stack.model} does not have")
        return
    proof.compared += 1
    if found.shape != expected.shape or (found - expected).abs().max() > 1e-5:
        proof.differs(f"{path}: other rows are read")


def _compare_buckets(
    path: str, module: Any, found: Tensor, stack: PositionSpec, proof: Proof
) -> None:
    stated = stack.layers[0].encodings[0]
    assert isinstance(stated, T5BiasSpec)
    encoding = stated.build()
    assert isinstance(encoding, T5Bias)
    with torch.no_grad():
        (parameter,) = encoding.parameters()
        weight = module.relative_attention_bias.weight
        parameter.copy_(weight if parameter.shape == weight.shape else weight.T)
    ours = _bias(encoding, found.shape[1])
    visible = torch.ones(SEQ, SEQ).tril().bool() if stack.causal else torch.ones(SEQ, SEQ).bool()
    proof.compared += 1
    try:
        assert_close(ours[:, visible], found[0][:, visible], atol=ATOL, rtol=0)
    except AssertionError:
        proof.differs(f"{path}: other biases")


def _bias(encoding: PositionEncoding, heads: int) -> Tensor:
    zeros = torch.zeros(1, heads, SEQ, 4)
    return attention_scores(zeros, zeros, encoding, encoding.prepare(torch.arange(SEQ)))[0]


def slopes_of(spec: PositionSpec) -> Tensor:
    """Of a spec with ALiBi: what the second key has more than the first, for each head."""
    stated = spec.layers[0].encodings[0]
    assert isinstance(stated, ALiBiSpec)
    bias = _bias(stated.build(), stated.num_heads)
    return bias[:, SEQ - 1, 1] - bias[:, SEQ - 1, 0]
