"""A vision tower beside the spec that was read from its config."""

import re
from typing import Any

import torch
from checkpoints.grids import Grid
from checkpoints.proof import ATOL, Proof
from checkpoints.seams import Attention, Seams, Turn
from checkpoints.tiny import Subject
from torch import Tensor, nn

from phasor._read.reader import examine
from phasor.spec import LayerSpec, LearnedSpec, PositionSpec, RotarySpec

_TABLE = re.compile(r"pos(ition)?(al)?_?emb|embed_positions|position_embedding")
_START = re.compile(r"(?:^|\.)(?:(?:layers|layer|blocks|block|resblocks)\.0|layernorm_pre)$")


def prove_image(subject: Subject) -> Proof:
    """Run a tiny tower on one image and compare what turns, and what is added, with its spec."""
    config, model = subject.build()
    reading = examine(config)
    spec, grid, proof = reading.spec, Grid(**subject.grid), Proof()
    if (grid.omitted or grid.masked or grid.patches_only) and not reading.notes:
        proof.differs("what the spec does not hold is not named")
    inputs = subject.some_inputs()
    with Seams(model) as seams, torch.no_grad():
        model(**inputs)
    turned = {
        at for turn in seams.turns if (at := _turn(turn, seams, spec, grid, proof)) is not None
    }
    for at, layer in enumerate(spec.layers):
        if _rotaries(layer) and at not in turned:
            proof.differs(f"layer {at} does not turn")
    for attention in seams.attentions:
        _attention(attention, seams, spec, grid, proof, subject)
    _table(model, inputs, spec, grid, proof)
    return proof


def _rotaries(layer: LayerSpec) -> list[RotarySpec]:
    return [each for each in layer.encodings if isinstance(each, RotarySpec)]


def _turn(turn: Turn, seams: Seams, spec: PositionSpec, grid: Grid, proof: Proof) -> int | None:
    if turn.inside:
        return None
    at = seams.layer(turn.path, turn.owner)
    if at is None or at >= len(spec.layers):
        proof.differs(f"{turn.path} turns and is no layer")
        return None
    stated = _rotaries(spec.layers[at])
    if not stated:
        proof.differs(f"layer {at} turns")
        return None
    for before, after in zip(turn.before, turn.after, strict=False):
        proof.compared += 1
        reason = _differs(stated, before, after, grid)
        if reason:
            proof.differs(f"layer {at}: {reason}")
    return at


def _differs(stated: list[RotarySpec], before: Tensor, after: Tensor, grid: Grid) -> str:
    if before.shape[-1] != stated[0].head_dim:
        return f"{before.shape[-1]} channels turn, not {stated[0].head_dim}"
    if grid.tiles is not None and grid.tiles**2 in before.shape[:-1]:
        grid = Grid(rows=grid.tiles, columns=grid.tiles)
    if before.shape[:-1].count(grid.tokens) != 1:
        return f"{list(before.shape)} are not {grid.tokens} tokens"
    tokens = before.shape.index(grid.tokens)
    ours, theirs = before.movedim(tokens, -2).double(), after.movedim(tokens, -2).double()
    ours = ours.reshape(1, -1, *ours.shape[-2:])
    for each in stated:
        encoding = each.build()
        prepared = encoding.prepare(grid.positions(), dtype=torch.float64)
        ours, _ = encoding.rotate(ours, None, prepared)
    apart = (ours.reshape(theirs.shape) - theirs).abs()
    if grid.patches_only:
        apart = apart[..., grid.before : grid.tokens - grid.after, :]
    worst = apart.max().item()
    return "" if worst < ATOL else f"turned otherwise, by up to {worst:.3g}"


def _attention(
    found: Attention, seams: Seams, spec: PositionSpec, grid: Grid, proof: Proof, subject: Subject
) -> None:
    at = seams.layer(found.path, found.owner)
    if at is None or at >= len(spec.layers):
        return
    layer, width = spec.layers[at], found.query.shape[-1]
    stated = _rotaries(layer)
    if stated and stated[0].head_dim != width:
        proof.differs(f"layer {at} has heads of {width}, not {stated[0].head_dim}")
    ours = layer.score_scale or width**-0.5
    known = found.scaling is not None and not subject.scaled_before
    if known and abs(ours - found.scaling) > 1e-6 * found.scaling:
        proof.differs(f"layer {at} scales scores by {found.scaling}, not {ours}")
    if found.mask is not None and not grid.masked and not _sees_all(found.mask):
        proof.differs(f"layer {at} does not see all tokens")


def _sees_all(mask: Tensor) -> bool:
    return bool((mask if mask.dtype == torch.bool else mask > -1e9).all())


def _table(
    model: nn.Module, inputs: dict[str, Any], spec: PositionSpec, grid: Grid, proof: Proof
) -> None:
    """What a table adds to each token: what is there with it, less what is there without it."""
    tables = [
        (name, table)
        for name, table in model.named_parameters()
        if _TABLE.search(name) and table.ndim > 1 and name not in grid.omitted
    ]
    if spec.embedding is None:
        for name, table in tables:
            proof.differs(f"{name} {list(table.shape)} is a table that the spec lacks")
        return
    if len(tables) != 1:
        proof.differs(f"the spec has a table, the model {[name for name, _ in tables]}")
        return
    ((name, table),) = tables
    assert isinstance(spec.embedding, LearnedSpec)
    size = (spec.embedding.num_positions + spec.embedding.offset, spec.embedding.dim)
    if table.numel() != size[0] * size[1] or table.shape[-1] != size[1]:
        proof.differs(f"{name} is {list(table.shape)}, not {list(size)}")
        return
    torch.nn.init.normal_(table)
    kept = table.detach().clone()
    added = _first(model, name, inputs)
    with torch.no_grad():
        table.zero_()
    added = (added - _first(model, name, inputs)).reshape(-1, size[1])
    with torch.no_grad():
        table.copy_(kept)
    rows = grid.rows_of_table()
    expected = kept.reshape(size)[(spec.embedding.offset + rows).clamp(min=0)]
    expected[rows < 0] = 0.0
    proof.compared += 1
    if added.shape != expected.shape:
        proof.differs(f"{name} is added to {len(added)} tokens, not to {len(expected)}")
    elif (added - expected).abs().max() > 1e-5:
        proof.differs(f"{name}: other rows are added")


def _first(model: nn.Module, name: str, inputs: dict[str, Any]) -> Tensor:
    """What comes out of the module that owns a table or, if that is the model, into its first layer
    or the norm before it."""
    owner = name.rpartition(".")[0]
    if isinstance(model.get_submodule(owner), nn.Embedding):
        owner = owner.rpartition(".")[0]
    found: list[Tensor] = []
    if owner:
        module = model.get_submodule(owner)
        hook = module.register_forward_hook(lambda _, __, out: found.append(_tensor(out)))
    else:
        module = next(each for path, each in model.named_modules() if _START.search(path))
        hook = module.register_forward_pre_hook(
            lambda _, args, kwargs: found.append([*args, *kwargs.values()][0]),
            with_kwargs=True,
        )
    with torch.no_grad():
        model(**inputs)
    hook.remove()
    return found[0].clone()


def _tensor(out: Any) -> Tensor:
    return out if isinstance(out, Tensor) else out[0]
