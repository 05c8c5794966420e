"""The proof by running the model: its logits before and after, where it can be run."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasor._convert.convert import Plan
from phasor._convert.families import PAIR_LAYOUTS, PairLayout
from phasor._convert.heads import marked
from phasor._convert.meta_forward import meta_logits
from phasor._convert.source import Source, read_source
from phasor._convert.tensor_file import Entry
from phasor._convert.turning import DTYPES
from phasor._read.loading import load_model
from phasor.errors import ArgumentError
from phasor.installation import how_to_get
from phasor.kernels.reference import apply_rotation

_TOKENS = 24
# Larger models take minutes on a CPU.
_MOST_BYTES = 4_000_000_000
# Of float32 arithmetic in another order, relative to the largest logit.
TOLERANCE = 2e-4


def why_not(plan: Plan) -> str | None:
    """Why the model cannot be run here, or `None` where it can."""
    if plan.format == "adapter":
        return "an adapter runs only in its model"
    if any(entry.dtype not in DTYPES for entry in plan.source.entries):
        return "its weights are quantised"
    if not any(_is_embedding(entry.name) for entry in plan.source.entries):
        return "it has no embedding of tokens"
    floats = sum(entry.size // DTYPES[entry.dtype].itemsize for entry in plan.source.entries)
    if 4 * floats > _MOST_BYTES:
        return f"in float32 it needs {4 * floats / 1e9:.0f} GB"
    if find_spec("transformers") is None:
        return f"transformers is not installed; {how_to_get('transformers')}"
    return None


def compare_logits(plan: Plan, folder: Path) -> float:
    """The largest difference of logits of a random sequence, relative to the largest logit.

    Each side is computed by code that expects its layout: a plain LLaMA for Meta's format, the
    model in transformers for a layout that it has, and for another layout that model with its
    rotation replaced by phasor's.

    Raises:
        ArgumentError: They differ by more than rounding.
    """
    generator = torch.Generator().manual_seed(0)
    vocab_size = min(entry.shape[0] for entry in plan.source.entries if _is_embedding(entry.name))
    tokens = torch.randint(0, vocab_size, (_TOKENS,), generator=generator)
    before = _logits(plan.source, tokens)
    after = _logits(read_source(folder), tokens)
    difference = ((before - after).abs().max() / before.abs().max()).item()
    if not difference < TOLERANCE:
        raise ArgumentError(
            f"the converted model gives other logits: they differ by {difference:.1e} of the "
            "largest; nothing was kept"
        )
    return difference


def _is_embedding(name: str) -> bool:
    return name.endswith(
        ("embed_tokens.weight", "tok_embeddings.weight", "wte.weight", "embed_in.weight",
         "word_embeddings.weight")
    )  # fmt: skip


def _logits(source: Source, tokens: Tensor) -> Tensor:
    if source.format == "meta":
        entries = {entry.name: entry for entry in source.entries}
        return meta_logits(source.config, lambda name: read_tensor(entries[name]).float(), tokens)
    model = _load(source)
    with torch.inference_mode(), _rotating(type(model).__module__, source):
        return model(tokens[None], use_cache=False).logits[0].float()


def read_tensor(entry: Entry) -> Tensor:
    """A whole tensor."""
    data = bytearray(b"".join(entry.pieces()))
    return torch.frombuffer(data, dtype=DTYPES[entry.dtype]).view(entry.shape)


def _load(source: Source) -> Any:
    """The model in transformers, on the CPU in float32; its rotation is that of its family."""
    plain = marked(source.config, source.heads.family.layout)
    loaded = load_model(source.folder, causal=True, config=plain)
    if loaded.missing:
        raise ArgumentError(
            f"{source.folder} lacks {loaded.missing[0]}, without which the model cannot be run to "
            "verify the conversion; pass verify=False to do without"
        )
    return loaded.model


@contextmanager
def _rotating(module_name: str, source: Source) -> Iterator[None]:
    """While it lasts, models of a module rotate in the layout of the weights."""
    layout = source.heads.layout
    if layout == source.heads.family.layout:
        yield
        return
    module, name = sys.modules[module_name], source.heads.family.rotation
    usual = vars(module)[name]
    names = tuple(inspect.signature(usual).parameters)
    vars(module)[name] = _ROTATIONS[names](layout)
    try:
        yield
    finally:
        vars(module)[name] = usual


def _of_query_and_key(layout: PairLayout) -> Callable[..., tuple[Tensor, Tensor]]:
    pairing, backwards = PAIR_LAYOUTS[layout]

    def rotated(
        q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1
    ) -> tuple[Tensor, Tensor]:
        assert unsqueeze_dim == 1
        cos, sin = _once(cos), _once(sin)
        sin = -sin if backwards else sin
        return (
            apply_rotation(q, cos, sin, layout=pairing),
            apply_rotation(k, cos, sin, layout=pairing),
        )

    return rotated


def _of_complex(layout: PairLayout) -> Callable[..., tuple[Tensor, Tensor]]:
    """As DeepSeek V2 has it: tables of complex numbers, one for each pair."""
    pairing, backwards = PAIR_LAYOUTS[layout]

    def rotated(xq: Tensor, xk: Tensor, freqs_cis: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = freqs_cis.real, -freqs_cis.imag if backwards else freqs_cis.imag
        return (
            apply_rotation(xq, cos, sin, layout=pairing),
            apply_rotation(xk, cos, sin, layout=pairing),
        )

    return rotated


def _of_one_tensor(layout: PairLayout) -> Callable[..., Tensor]:
    """As GPT-J has it: `[batch, seq, num_heads, rotary_dim]`, tables of pairs."""
    pairing, backwards = PAIR_LAYOUTS[layout]

    def rotated(tensor: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
        sin = -sin if backwards else sin
        return apply_rotation(tensor.transpose(1, 2), cos, sin, layout=pairing).transpose(1, 2)

    return rotated


def _once(table: Tensor) -> Tensor:
    """Models store each angle twice, as two halves or side by side."""
    half = table.shape[-1] // 2
    if torch.equal(table[..., :half], table[..., half:]):
        return table[..., :half]
    assert torch.equal(table[..., ::2], table[..., 1::2])
    return table[..., ::2]


_ROTATIONS: dict[tuple[str, ...], Callable[[PairLayout], Callable[..., Any]]] = {
    ("q", "k", "cos", "sin", "unsqueeze_dim"): _of_query_and_key,
    ("q", "k", "cos", "sin", "position_ids", "unsqueeze_dim"): _of_query_and_key,
    ("xq", "xk", "freqs_cis"): _of_complex,
    ("tensor", "sin", "cos"): _of_one_tensor,
}
