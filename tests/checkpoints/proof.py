"""A model beside the spec that was read from its config: what differs, in sentences."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from checkpoints.seams import Attention, Seams, Turn
from checkpoints.shares import honours_a_share
from checkpoints.tiny import BATCH, SEQ, Subject, subjects
from torch import Tensor, nn

from phasor import Rotary, UnevenRotary
from phasor._read.architectures import Architecture, architecture
from phasor._read.fields import Fields
from phasor._read.notes import Notes
from phasor._read.reader import examine
from phasor._read.stack import read_stack
from phasor.spec import LayerSpec, PositionSpec, RotarySpec, UnevenRotarySpec

ATOL = 1e-4
"""Float32 angles of positions up to 200, times float32 activations of a few units."""

HALVES_OUT = {each.config_class.model_type for each in subjects().values() if each.halves_out}
"""Model types whose code pairs neighbours on the way in and gives back two halves, the same for
query and key: their product is that of the spec."""


@dataclass
class Proof:
    """What was compared, and what was not equal."""

    compared: int = 0
    indexers: int = 0
    differences: list[str] = field(default_factory=list)
    apart: set[str] = field(default_factory=set)

    def differs(self, sentence: str) -> None:
        if sentence not in self.differences:
            self.differences.append(sentence)


def prove(subject: Subject) -> Proof:
    """Run a tiny model and compare all that it does with the spec of its config."""
    config, model = subject.build()
    row_name = subject.row or config.model_type
    if subject.row is None:
        spec = examine(config).spec
    else:
        spec = read_stack(Fields(config, Notes(subject.name)), subject.row, subject.row)
    halves = type_of_the_layers(config, row_name) in HALVES_OUT
    proof = run(subject, model, spec, _positions(spec), halves=halves)
    return _of_the_share(model, architecture(row_name), proof)


def run(
    subject: Subject, model: nn.Module, spec: PositionSpec, positions: Tensor, *, halves: bool
) -> Proof:
    """A forward pass beside what the spec says.

    Args:
        subject: What the model is one of.
        model: Any model of it.
        spec: Of that model.
        positions: `[batch, seq]` or `[axes, batch, seq]`, where the model takes any.
        halves: Whether its layers pair neighbours and give back two halves.
    """
    inputs: dict[str, Any] = subject.some_inputs()
    if subject.positions == "given" and _takes_positions(model):
        inputs["position_ids"] = positions
    else:
        positions = torch.arange(SEQ).expand(BATCH, SEQ)
    accepted = inspect.signature(model.forward).parameters
    if "attention_mask" in accepted and "input_ids" in inputs:
        # Without one, positions that do not count by one would be taken for packed sequences.
        inputs["attention_mask"] = torch.ones(BATCH, SEQ, dtype=torch.long)
    if "use_cache" in accepted:
        inputs["use_cache"] = False
    with Seams(model) as seams, _keys_of_indexers(model) as keys, torch.no_grad():
        model(**inputs)
    proof = Proof()
    turned, chosen = set(), set()
    for turn in seams.turns:
        if "Indexer" in type(turn.owner).__name__:
            chosen.add(_indexer(turn, seams, spec, positions, halves, keys, proof))
        elif (where := _turn(turn, seams, spec, positions, halves, proof)) is not None:
            turned.add(where)
    towers = [tower for tower in spec.towers if tower.model not in subject.without]
    for stack in (spec, *towers):
        for at, layer in enumerate(stack.layers):
            if _rotary(layer) is not None and (stack.model, at) not in turned:
                proof.differs(f"{stack.model} layer {at} does not turn")
            if layer.indexer is not None and (stack.model, at) not in chosen:
                proof.differs(f"{stack.model} layer {at}: its indexer does not turn")
    for attention in seams.attentions:
        _attention(attention, seams, spec, proof, subject)
    return proof


def _of_the_share(model: nn.Module, row: Architecture, proof: Proof) -> Proof:
    honours = honours_a_share(model)
    # Where the name of a number rules, or a stack inside, there is nothing to compare.
    plain = row.stack is None and row.odd not in ("clvp", "gptj", "vjepa2")
    comparable = plain and honours is not None
    if comparable and honours != row.partial:
        proof.differs(f"partial_rotary_factor is {'' if honours else 'not '}honoured")
    return proof


def axes_of(spec: PositionSpec) -> int:
    """How many axes its positions have."""
    rotaries = (found for layer in spec.layers if (found := _rotary(layer)) is not None)
    return max((rotary.build().frequencies.axes for rotary in rotaries), default=1)


def _positions(spec: PositionSpec) -> Tensor:
    axes = axes_of(spec)
    if axes == 1:
        return torch.stack((torch.arange(SEQ) + 3, 2 * torch.arange(SEQ) + 40))
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 200, (axes, BATCH, SEQ), generator=generator)


def type_of_the_layers(config: Any, row_name: str) -> str:
    """The row by which the layers of a model are read, which may be that of a config inside."""
    row = architecture(row_name)
    if row.stack is None:
        return row_name
    inner = getattr(config, row.stack)
    return type_of_the_layers(inner, inner.model_type)


def _takes_positions(model: nn.Module) -> bool:
    return "position_ids" in inspect.signature(model.forward).parameters


def is_cross(path: str) -> bool:
    """Whether a module attends from decoder to encoder, where there is no position."""
    return any(word in path.lower() for word in ("cross", "encoder_attn", "encdecattention"))


def stack_of(spec: PositionSpec, path: str) -> PositionSpec:
    """The tower that a module belongs to, or the model itself."""
    for tower in spec.towers:
        if tower.model in path.replace("_model", "").split(".")[0:3]:
            return tower
    return spec


def _rotary(layer: LayerSpec) -> RotarySpec | UnevenRotarySpec | None:
    kinds = (RotarySpec, UnevenRotarySpec)
    return next((each for each in layer.encodings if isinstance(each, kinds)), None)


def _turn(
    turn: Turn,
    seams: Seams,
    spec: PositionSpec,
    positions: Tensor,
    halves: bool,
    proof: Proof,
) -> tuple[str, int] | None:
    kind = type(turn.owner).__name__
    if "Compressor" in kind:  # its keys are of several tokens each
        proof.apart.add(kind)
        return None
    stack, at = stack_of(spec, turn.path), seams.layer(turn.path, turn.owner)
    if at is None or at >= len(stack.layers):
        proof.differs(f"{turn.path} turns and is no layer of {stack.model}")
        return None
    stated = _rotary(stack.layers[at])
    if stated is None:
        proof.differs(f"{stack.model} layer {at} turns")
        return None
    turned_back = stack.layers[at].values == "turned_back"
    encoding = stated.build()
    if isinstance(encoding, Rotary) and encoding.length_scaling is not None:
        encoding = encoding.at(int(positions.max()) + 1)
    for before, after in zip(turn.before, turn.after, strict=False):
        proof.compared += 1
        reason = _differs(
            encoding, before, after, positions, halves=halves, turned_back=turned_back
        )
        if reason:
            proof.differs(f"{stack.model} layer {at}: {reason}")
    return stack.model, at


@contextmanager
def _keys_of_indexers(model: nn.Module) -> Iterator[dict[int, Tensor]]:
    """The whole keys of each indexer, before a part of them is turned."""
    keys: dict[int, Tensor] = {}
    hooks = []
    for owner in model.modules():
        norm = getattr(owner, "k_norm", None)
        if "Indexer" in type(owner).__name__ and norm is not None:

            def keep(module: nn.Module, given: Any, out: Tensor, owner: int = id(owner)) -> None:
                keys[owner] = out.detach().clone()

            hooks.append(norm.register_forward_hook(keep))
    try:
        yield keys
    finally:
        for hook in hooks:
            hook.remove()


def _indexer(
    turn: Turn,
    seams: Seams,
    spec: PositionSpec,
    positions: Tensor,
    halves: bool,
    keys: dict[int, Tensor],
    proof: Proof,
) -> tuple[str, int | None]:
    """The second rotation of a layer, by which it chooses the tokens that attention sees."""
    stack, at = stack_of(spec, turn.path), seams.layer(turn.path, turn.owner)
    where = f"{stack.model} layer {at}: its indexer"
    stated = None if at is None else stack.layers[at].indexer
    if stated is None:
        proof.differs(f"{where} turns")
        return stack.model, at
    for before, after in zip(turn.before, turn.after, strict=False):
        if SEQ not in before.shape:  # keys that stand for several tokens, at places of their own
            continue
        proof.compared += 1
        proof.indexers += 1
        reason = _differs(stated.build(), before, after, positions, halves=halves)
        if reason:
            proof.differs(f"{where}: {reason}")
    whole, part = keys.get(id(turn.owner)), turn.before[-1]
    if whole is not None and part.shape[-1] < whole.shape[-1]:
        width = part.shape[-1]
        slices = {"leading": whole[..., :width], "trailing": whole[..., -width:]}
        if not torch.equal(part.reshape(BATCH, SEQ, -1), slices[stated.rotary_slice]):
            proof.differs(f"{where} does not turn the {stated.rotary_slice} channels")
        if whole.shape[-1] != stated.head_dim:
            proof.differs(f"{where} has heads of {whole.shape[-1]}, not {stated.head_dim}")
    return stack.model, at


def _differs(
    encoding: Rotary | UnevenRotary,
    before: Tensor,
    after: Tensor,
    positions: Tensor,
    *,
    halves: bool,
    turned_back: bool = False,
) -> str:
    heads = _in_order(before, encoding.head_dim).double()
    theirs = _in_order(after, encoding.head_dim).double()
    width, turning = heads.shape[-1], encoding.frequencies.rotary_dim
    trailing = False
    if isinstance(encoding, UnevenRotary):
        turning = encoding.frequencies.pairs
    else:
        trailing = encoding.rotary_slice == "trailing"
    where = slice(encoding.head_dim - width, None) if trailing else slice(0, width)
    if width not in (encoding.head_dim, turning):
        return f"{width} channels turn, not {turning} of {encoding.head_dim}"
    whole = heads.new_zeros(*heads.shape[:-1], encoding.head_dim)
    whole[..., where] = heads
    positions = _of(positions, encoding, heads)
    ours = _turned(encoding, whole, positions)[..., where]
    if halves and encoding.layout == "interleaved":
        ours = torch.cat((ours[..., 0::2], ours[..., 1::2]), dim=-1)
    if ours.shape != theirs.shape:
        return f"{list(theirs.shape)} come out, not {list(ours.shape)}"
    worst = (ours - theirs).abs().max().item()
    if turned_back and worst >= ATOL:
        ours = _turned(encoding, whole, -positions)[..., where]
        worst = (ours - theirs).abs().max().item()
    return "" if worst < ATOL else f"turned otherwise, by up to {worst:.3g}"


def _turned(encoding: Rotary | UnevenRotary, heads: Tensor, positions: Tensor) -> Tensor:
    prepared = encoding.prepare(positions, dtype=torch.float64)
    return encoding.rotate(heads, None, prepared)[0] / encoding.frequencies.softmax_scale


def _of(positions: Tensor, encoding: Rotary | UnevenRotary, heads: Tensor) -> Tensor:
    seq = heads.shape[-2]
    if positions.ndim == 3:
        positions = positions.movedim(0, -1) if encoding.frequencies.axes > 1 else positions[0]
    if positions.shape[1] != seq:  # an encoder, which counts its own tokens
        positions = torch.arange(seq).expand(BATCH, seq)
    return positions[:1] if heads.shape[0] == 1 else positions


def _in_order(heads: Tensor, head_dim: int) -> Tensor:
    """As [batch, heads, seq, channels]."""
    if heads.ndim == 3 and heads.shape[-1] > head_dim:
        heads = heads.unflatten(-1, (-1, head_dim))
    heads = heads[:, None] if heads.ndim == 3 else heads
    sizes = list(heads.shape[:3])
    if sizes[2] in (1, 2, 4) and sizes[1] not in (1, 2, 4):
        return heads.transpose(1, 2)
    return heads


def _attention(
    found: Attention, seams: Seams, spec: PositionSpec, proof: Proof, subject: Subject
) -> None:
    stack, at = stack_of(spec, found.path), seams.layer(found.path, found.owner)
    if at is None or at >= len(stack.layers) or is_cross(found.path):
        return
    layer, where = stack.layers[at], f"{stack.model} layer {at}"
    stated = _rotary(layer)
    if stated is not None and stated.head_dim != found.query.shape[-1]:
        proof.differs(f"{where} has heads of {found.query.shape[-1]}, not {stated.head_dim}")
    if found.scaling is not None and not subject.scaled_before:
        ours = layer.score_scale or found.query.shape[-1] ** -0.5
        ours *= 1.0 if stated is None else stated.build().frequencies.softmax_scale
        if abs(ours - found.scaling) > 1e-6 * found.scaling:
            proof.differs(f"{where} scales scores by {found.scaling}, not {ours}")
    seq = found.query.shape[-2]
    visible, expected = seen(found.mask, stack, seq), expected_to_see(layer, stack, seq)
    if visible is not None and visible != expected:
        proof.differs(f"{where} sees {visible} of {seq} tokens, not {expected}")
    _slice(found, seams, stated, where, proof)


def seen(mask: Tensor | None, stack: PositionSpec, seq: int = SEQ) -> list[int] | None:
    """How many tokens the first, middle and last query see."""
    if mask is None:
        return [seq] * 3
    if mask.ndim != 4 or mask.shape[-2] != seq:
        return None
    allowed = mask if mask.dtype == torch.bool else mask > -1e9
    return allowed[0, 0, [0, seq // 2, seq - 1], :seq].sum(-1).tolist()


def expected_to_see(layer: LayerSpec, stack: PositionSpec, seq: int = SEQ) -> list[int]:
    """How many tokens the same queries see by the spec."""
    counts = []
    for query in (0, seq // 2, seq - 1):
        if stack.causal:
            first = 0 if layer.window is None else max(0, query - layer.window + 1)
            first = max(first, query - query % layer.chunk) if layer.chunk else first
            counts.append(query - first + 1)
        else:  # an even number of tokens has one more after the query
            before, after = ((layer.window or 4 * seq) - 1) // 2, (layer.window or 4 * seq) // 2
            counts.append(min(query + after, seq - 1) - max(query - before, 0) + 1)
    return counts


def _slice(
    found: Attention,
    seams: Seams,
    stated: RotarySpec | UnevenRotarySpec | None,
    where: str,
    proof: Proof,
) -> None:
    """Where in the query that attention gets lies what was turned."""
    for turn in seams.turns:
        if turn.owner is not found.owner or not isinstance(stated, RotarySpec) or not turn.after:
            continue
        turned = _in_order(turn.after[0], stated.head_dim)
        width = turned.shape[-1]
        query = found.query
        if width == query.shape[-1] or turned.shape[:-1] != query.shape[:-1]:
            continue
        slices = {"leading": query[..., :width], "trailing": query[..., -width:]}
        if not any(torch.equal(part, turned) for part in slices.values()):
            continue  # a later step changed it
        if not torch.equal(slices[stated.rotary_slice], turned):
            proof.differs(f"{where} does not turn the {stated.rotary_slice} channels")
