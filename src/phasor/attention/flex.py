"""PyTorch's FlexAttention: one compiled kernel for scores, what is done to them, and softmax."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from phasor.attention.call import Call


def flex(call: Call) -> Tensor:
    """Compiled here, unless the caller is being compiled, which takes this along."""
    # Its import takes longer than that of all else here together.
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    attend: Any = flex_attention
    make_mask: Any = create_block_mask
    if not torch.compiler.is_compiling():
        attend, make_mask = torch.compile(flex_attention), torch.compile(create_block_mask)
    allowed = call.allowed
    block_mask = None
    if allowed.causal or not allowed.is_causal_alone:
        batch, num_heads, seq, key_seq = call.shape
        block_mask = make_mask(
            # It counts arguments, of a method too many.
            lambda batch, head, i, j: allowed.pair(batch, head, i, j),
            batch if allowed.differs_by_sequence else None,
            num_heads if allowed.differs_by_head else None,
            seq,
            key_seq,
            device=call.query.device,
        )
    grouped = False
    if call.query.shape[1] != call.key.shape[1]:
        grouped = True
    with torch.autocast(call.query.device.type, enabled=False):
        return attend(
            call.query,
            call.key,
            call.value,
            score_mod=_score_mod(call),
            block_mask=block_mask,
            scale=call.scale,
            enable_gqa=grouped,
        )


def why_not_flex(call: Call) -> str | None:
    """Why FlexAttention cannot do it, or `None` if it can."""
    query, device = call.query, call.query.device.type
    name = type(call.encoding).__name__
    if call.score_mod is not None and call.encoding.score_needs_row:
        return f"{name} needs all scores of a query at once, and FlexAttention shows one at a time"
    if device not in ("cpu", "cuda"):
        return f"FlexAttention is tried on CPU and CUDA alone, and the query is on {device}"
    if query.dtype == torch.float64:
        return "FlexAttention has no float64"
    if 0 in call.shape:
        return f"FlexAttention takes no empty tensors, and the scores have shape {call.shape}"
    if device == "cuda" and min(query.shape[-1], call.value.shape[-1]) < 16:
        return f"FlexAttention wants at least 16 channels for each head, got {query.shape[-1]}"
    if device == "cpu":
        learns = any(x.requires_grad for x in (query, call.key, call.value)) or term_learns(call)
        if torch.is_grad_enabled() and learns:
            return "FlexAttention has no gradient on CPU; without one call it in torch.no_grad()"
        if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
            return "FlexAttention wants AVX2 on CPU"
    return None


def term_learns(call: Call) -> bool:
    """Whether a backward pass would reach what `score_mod` is made of."""
    if call.score_mod is None or not torch.is_grad_enabled():
        return False
    made_of = (*call.encoding.parameters(), *tree_leaves(call.prepared))
    return any(isinstance(x, Tensor) and x.requires_grad for x in made_of)


def _score_mod(call: Call) -> Any:
    """That of the encoding, then softcap; FlexAttention masks afterwards."""
    score_mod, softcap = call.score_mod, call.softcap
    if softcap is None:
        return score_mod

    def capped(
        score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor:
        if score_mod is not None:
            score = score_mod(score, batch, head, query_index, key_index)
        return softcap * torch.tanh(score / softcap)

    return capped
