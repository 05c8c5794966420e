"""A model with a learned table of positions, to be given a longer one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from phasor._extend.rope_fields import LENGTH
from phasor._extend.subject import Candidate, Subject
from phasor.encodings import Learned
from phasor.errors import ArgumentError, unknown_name
from phasor.spec import LearnedSpec

METHODS = ("none", "interpolate")
"""What can be done to a table without training."""


@dataclass(frozen=True, kw_only=True)
class TableCandidate(Candidate):
    """One way to reach the target by another table.

    Args:
        fields: Fields of the config that hold the length, and what they are to be.
    """

    fields: Mapping[str, int]

    def configure(self, config: dict[str, Any]) -> dict[str, str]:
        """Change `config`, as in `config.json`, to this; each field that differs, and why."""
        different = [name for name, value in self.fields.items() if config.get(name) != value]
        config |= self.fields
        return dict.fromkeys(different, LENGTH)


@dataclass(frozen=True, kw_only=True)
class TableSubject(Subject):
    """A checkpoint with a learned table.

    Args:
        table: Of the model as it is.
        longer: That table, interpolated.
        extended: The model with it; it shares all other weights.
        place: Name of the table among the weights of the model.
        fields: Fields of the config that hold the length, and what they are to be.
        causal: Whether it predicts the next token; else it gives vectors of texts.
    """

    table: Learned
    longer: Learned
    extended: Any
    place: str
    fields: Mapping[str, int]
    causal: bool

    @property
    def trained_length(self) -> int:
        """Positions of the table."""
        return self.table.num_positions

    @property
    def target_length(self) -> int:
        """Positions of the longer table."""
        return self.longer.num_positions

    @contextmanager
    def running(self, candidate: Candidate, seq_len: int) -> Iterator[Any]:
        """The model with `candidate` for sequences of `seq_len` tokens, to be run meanwhile."""
        if candidate.name == "none":
            assert seq_len <= self.trained_length
            yield self.model
        else:
            yield self.extended

    def changed(self, candidate: Candidate) -> Mapping[str, Tensor]:
        """The longer table."""
        return {} if candidate.name == "none" else {self.place: self.longer.weight.detach()}


def table_candidates(names: Sequence[str], subject: TableSubject) -> list[TableCandidate]:
    """The candidates called `names`; `"none"` is always among them, first.

    Args:
        names: Of `METHODS`, or `"auto"` for all of them.
        subject: The model.

    Raises:
        ArgumentError: A name that is not among them, or one given twice.
    """
    trained, target = subject.trained_length, subject.target_length
    wanted = list(METHODS) if list(names) == ["auto"] else list(names)
    for name in wanted:
        if name not in METHODS:
            raise unknown_name("there is no method for a learned table", name, ["auto", *METHODS])
        if wanted.count(name) > 1:
            raise ArgumentError(f"name each method once, got {name} {wanted.count(name)} times")
    config = subject.model.config
    all_of_them = {
        "none": TableCandidate(
            name="none",
            max_seq_len=trained,
            fields={name: getattr(config, name) for name in subject.fields},
            why=f"the model as it is, whose table ends at {trained:,} tokens",
        ),
        "interpolate": TableCandidate(
            name="interpolate",
            max_seq_len=target,
            fields=subject.fields,
            why=f"a table of {target:,} positions, linear between the {trained:,} trained ones",
        ),
    }
    return [all_of_them[name] for name in dict.fromkeys(["none", *wanted])]


def read_table(
    model: nn.Module, spec: LearnedSpec, stored: torch.dtype, name: object
) -> tuple[str, Learned]:
    """Find the table that `spec` describes among the weights of `model`.

    Args:
        model: Of transformers.
        spec: Of its table.
        stored: The type of weights on disk: a table that is interpolated is rounded to it.
        name: Of the checkpoint, for errors.

    Returns:
        Its name among the weights, and a copy.

    Raises:
        ArgumentError: None, or several that may be it.
    """
    shape = (spec.num_positions + spec.offset, spec.dim)
    found = [
        (place, module.weight)
        for place, module in model.named_modules()
        if isinstance(module, nn.Embedding)
        and tuple(module.weight.shape) == shape
        and any(word in place.rpartition(".")[2] for word in ("pos", "wpe"))
    ]
    if len(found) != 1:
        raise ArgumentError(
            f"{name} has {len(found)} weights of {shape[0]:,} by {shape[1]:,} that may be its "
            "table of positions; those with one can be extended so far"
        )
    ((place, weight),) = found
    table = Learned(spec.num_positions, spec.dim, offset=spec.offset)
    # The table itself is not trained, nor are its numbers others than those of the model.
    table.weight = nn.Parameter(weight.detach().to("cpu", stored), requires_grad=False)
    return f"{place}.weight", table


def length_fields(config: Any, trained: int, target: int) -> dict[str, int]:
    """Fields of `config` that hold the length of the table, and what they are to be.

    Rows before that of position 0 are counted in some (RoBERTa) and not in others (OPT); either
    way, as many are added as the table grows by.
    """
    main = config.attribute_map.get("max_position_embeddings", "max_position_embeddings")
    present = getattr(config, main)
    # GPT-2's configs from before 2021 say the same twice.
    names = [main, *[name for name in ("n_ctx",) if getattr(config, name, None) == present]]
    return dict.fromkeys(names, present + target - trained)


def with_table(model: Any, place: str, table: Learned, fields: Mapping[str, int]) -> Any:
    """A model like `model` with `table` at `place`; it shares all other weights.

    It is made anew from its config, since some keep masks as large as the table.
    """
    config = type(model.config).from_dict({**model.config.to_dict(), **fields})
    weights = dict(model.state_dict())
    weights[place] = table.weight.detach().to(weights[place])
    with torch.random.fork_rng():
        made = type(model)(config)
    made.load_state_dict(weights, assign=True)
    made.tie_weights()
    return made.to(model.device).eval().requires_grad_(False)
