"""Rotary kernels of other libraries, each used if it is installed and left out if it is not.

A peer is a function of a `Problem` that returns a function without arguments, to be timed, which
returns the rotated query and key as `[batch, heads, seq, head_dim]`. It raises `ImportError` if it
is not installed and `NotImplementedError` if it cannot do the problem.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Run = Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Problem:
    """Query and key to rotate over all of head_dim, and the tables that peers want."""

    query: Tensor
    key: Tensor
    positions: Tensor
    inv_freq: Tensor
    layout: str

    def cos_sin(self) -> tuple[Tensor, Tensor]:
        """Float32 `[seq, head_dim / 2]`."""
        angle = self.positions[:, None].double() * self.inv_freq
        return angle.cos().float(), angle.sin().float()

    def tokens(self, x: Tensor) -> Tensor:
        """`[batch * seq, heads, head_dim]` without a copy."""
        if not x.transpose(1, 2).is_contiguous():
            raise NotImplementedError("stores tokens first only")
        return x.transpose(1, 2).flatten(0, 1)

    def flat_positions(self) -> Tensor:
        return self.positions.repeat(self.query.shape[0])

    def only(self, layout: str) -> None:
        if self.layout != layout:
            raise NotImplementedError(f"is for layout {layout!r} only")


def torch_compile(problem: Problem) -> Run:
    """The formula in transformers, under torch.compile."""
    problem.only("half")
    cos, sin = (torch.cat((x, x), -1)[None, None] for x in problem.cos_sin())
    cos, sin = cos.to(problem.query.dtype), sin.to(problem.query.dtype)

    def half_turned(x: Tensor) -> Tensor:
        middle = x.shape[-1] // 2
        return torch.cat((-x[..., middle:], x[..., :middle]), dim=-1)

    @torch.compile
    def rotate(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return query * cos + half_turned(query) * sin, key * cos + half_turned(key) * sin

    return lambda: rotate(problem.query, problem.key)


def liger(problem: Problem) -> Run:
    from liger_kernel.ops.rope import LigerRopeFunction

    problem.only("half")
    cos, sin = (torch.cat((x, x), -1)[None].contiguous() for x in problem.cos_sin())
    return lambda: LigerRopeFunction.apply(problem.query, problem.key, cos, sin)


def flash_attention(problem: Problem) -> Run:
    from flash_attn.ops.triton.rotary import apply_rotary

    cos, sin = (x.to(problem.query.dtype) for x in problem.cos_sin())
    inputs = [x.transpose(1, 2) for x in (problem.query, problem.key)]

    def run() -> tuple[Tensor, Tensor]:
        for x in inputs:
            apply_rotary(x, cos, sin, interleaved=problem.layout == "interleaved", inplace=True)
        return problem.query, problem.key

    return run


def _with_cache(problem: Problem, rotate: Callable[..., object], dtype: torch.dtype) -> Run:
    """For the three that share vLLM's signature."""
    query, key = problem.tokens(problem.query), problem.tokens(problem.key)
    cache = torch.cat(problem.cos_sin(), -1).to(dtype)
    positions, head_dim = problem.flat_positions() - problem.positions[0], query.shape[-1]

    def run() -> tuple[Tensor, Tensor]:
        rotate(
            positions, query.flatten(1), key.flatten(1), head_dim, cache, problem.layout == "half"
        )
        return problem.query, problem.key

    return run


def flashinfer(problem: Problem) -> Run:
    from flashinfer.rope import apply_rope_with_cos_sin_cache_inplace

    return _with_cache(problem, apply_rope_with_cos_sin_cache_inplace, torch.float32)


def sglang(problem: Problem) -> Run:
    from sgl_kernel import apply_rope_with_cos_sin_cache_inplace

    return _with_cache(problem, apply_rope_with_cos_sin_cache_inplace, torch.float32)


def vllm(problem: Problem) -> Run:
    from vllm import _custom_ops

    return _with_cache(problem, _custom_ops.rotary_embedding, problem.query.dtype)


def quack(problem: Problem) -> Run:
    from quack.rotary import apply_rotary_emb

    cos, sin = problem.cos_sin()
    inputs = [x.transpose(1, 2) for x in (problem.query, problem.key)]
    interleaved = problem.layout == "interleaved"

    def run() -> tuple[Tensor, Tensor]:
        query, key = (apply_rotary_emb(x, cos, sin, interleaved=interleaved) for x in inputs)
        return query.transpose(1, 2), key.transpose(1, 2)

    return run


def transformer_engine(problem: Problem) -> Run:
    from transformer_engine.pytorch.attention.rope import apply_rotary_pos_emb

    angle = (problem.positions[:, None].double() * problem.inv_freq).float()
    interleaved = problem.layout == "interleaved"
    angle = angle.repeat_interleave(2, -1) if interleaved else torch.cat((angle, angle), -1)
    inputs = [x.transpose(1, 2) for x in (problem.query, problem.key)]

    def run() -> tuple[Tensor, Tensor]:
        query, key = (
            apply_rotary_pos_emb(
                x, angle[:, None, None], tensor_format="bshd", interleaved=interleaved, fused=True
            )
            for x in inputs
        )
        return query.transpose(1, 2), key.transpose(1, 2)

    return run


PEERS: dict[str, Callable[[Problem], Run]] = {
    "torch.compile": torch_compile,
    "Liger": liger,
    "flash-attention": flash_attention,
    "FlashInfer": flashinfer,
    "SGLang": sglang,
    "vLLM": vllm,
    "QuACK": quack,
    "TransformerEngine": transformer_engine,
}
