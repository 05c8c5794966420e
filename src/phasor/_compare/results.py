"""What a comparison found, as data: what `results.json` holds, and all that is shown."""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from phasor._compare.config import TrialConfig
from phasor._compare.known_answers import KnownAnswer
from phasor._kit.statistics import Estimate

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class Setup(TrialConfig):
    """What all trials had in common, and which there were."""

    encodings: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Cell(Estimate):
    """An estimate, and the number of each seed."""

    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """Means at places, with the bounds of their intervals, `None` of a single seed."""

    at: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All trials of one encoding. Lengths are text, as in JSON; the rest is as in `Trial`."""

    sites: tuple[str, ...]
    paper: str
    loss: Mapping[str, Cell]
    token_accuracy: Mapping[str, Cell]
    exact_match: Mapping[str, Cell]
    train_loss: float
    parameters: int
    model_parameters: int
    tokens_per_second: float
    peak_memory: float
    seconds: float
    embedding_gain: float | None
    query_key_gain: float | None
    norm_error: float
    additive_ratio: float | None
    shift_spread: float
    loss_by_position: Curve
    learning_curve: Curve
    order_sensitivity: Curve
    score_by_distance: Curve


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Loss of the worse less that of the better of two at a length, paired by seed."""

    length: str
    better: str
    worse: str
    mean: float
    low: float | None
    high: float | None
    tie: bool


@dataclass(frozen=True, kw_only=True)
class TextRead:
    """What language models read."""

    source: str
    bytes: int
    sha256: str
    train_files: int
    held_out_files: int
    split: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the trials ran."""

    system: str
    processor: str
    cores: int | None
    memory: int
    gpu: str | None


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that was found on one task.

    Args:
        config: What all trials had in common.
        unit: Of the loss: nats per what.
        encodings: By name, in the order in which the user named them.
        differences: Of every two, at every length.
        changes: By encoding and longer length, the loss there less that at the training length.
        known_answers: Checked beforehand.
        text: What language models read.
        versions: Of phasor and what it stands on.
        machine: Where the trials ran.
        command: Repeats the comparison.
        scale_up_command: Runs it on larger models.
        ranking: Best first.
        verdict: What the numbers say, in a sentence.
    """

    config: Setup
    unit: str
    encodings: Mapping[str, Summary]
    differences: tuple[Difference, ...]
    changes: Mapping[str, Mapping[str, Estimate]]
    known_answers: tuple[KnownAnswer, ...]
    text: TextRead | None
    versions: Mapping[str, str]
    machine: Machine
    command: str
    scale_up_command: str
    ranking: tuple[str, ...]
    verdict: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(values: Any) -> "Results":
        """What `to_json` gave.

        Raises:
            KeyError: A field is missing.
            TypeError: A value of another kind, as is `AttributeError`.
        """
        return _loaded(Results, values)


def _loaded(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{
            field.name: _loaded(hints[field.name], value[field.name])
            for field in dataclasses.fields(kind) if field.init
        })  # type: ignore[operator] # fmt: skip
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(_loaded(inner[0], each) for each in value)
    if origin is Mapping:
        return {name: _loaded(inner[1], each) for name, each in value.items()}
    if origin in (Union, types.UnionType) and value is not None:
        return _loaded(inner[0], value)
    return value
