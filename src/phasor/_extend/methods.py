"""The candidates: what each method makes of a model's frequencies, and how configs spell it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phasor._extend.rope_fields import write_rope
from phasor._extend.subject import Candidate as Candidate
from phasor.errors import ArgumentError, unknown_name
from phasor.rotary import Frequencies, scaling
from phasor.rotary.scaling import LengthScaling, Scaling


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a method may need to know.

    Args:
        frequencies: Of the model, before any scaling that its config has.
        scaling: What its config has.
        rope_parameters: In transformers' words, as the model has them.
        trained_length: Tokens that it was trained for.
        target_length: Tokens that are wanted.
    """

    frequencies: Frequencies
    scaling: Scaling | LengthScaling | None
    rope_parameters: Mapping[str, Any]
    trained_length: int
    target_length: int

    @property
    def factor(self) -> float:
        """By which the context is to grow."""
        return self.target_length / self.trained_length


@dataclass(frozen=True, kw_only=True)
class RotaryCandidate(Candidate):
    """One way to reach the target by other frequencies.

    Args:
        scaling: Applied to the unscaled frequencies.
        rope_parameters: The same in transformers' words.
    """

    scaling: Scaling | LengthScaling | None
    rope_parameters: Mapping[str, Any] = field(hash=False)

    def frequencies(self, unscaled: Frequencies, seq_len: int) -> Frequencies:
        """What it makes of `unscaled` for sequences of `seq_len` tokens."""
        if self.scaling is None:
            return unscaled
        if isinstance(self.scaling, LengthScaling):
            return self.scaling.at(seq_len)(unscaled)
        return self.scaling(unscaled)

    def configure(self, config: dict[str, Any]) -> dict[str, str]:
        """Change `config`, as in `config.json`, to this; each field that differs, and why."""
        what = f"{self.name}: {self.why}"
        return write_rope(config, self.rope_parameters, self.max_seq_len, what)


def candidates(names: Sequence[str], situation: Situation) -> list[RotaryCandidate]:
    """The candidates called `names`; `"none"` is always among them, first.

    Args:
        names: Of `METHODS`, or `"auto"` for all of them.
        situation: Of the model.

    Raises:
        ArgumentError: An unknown name, or one given twice.
    """
    wanted = list(METHODS) if list(names) == ["auto"] else list(names)
    for name in wanted:
        if name not in METHODS:
            raise unknown_name("there is no method", name, ["auto", *METHODS])
        if wanted.count(name) > 1:
            raise ArgumentError(f"name each method once, got {name} {wanted.count(name)} times")
    return [METHODS[name](situation) for name in dict.fromkeys(["none", *wanted])]


def extended(
    name: str,
    method: Scaling | LengthScaling,
    situation: Situation,
    why: str,
    *,
    max_seq_len: int | None = None,
) -> RotaryCandidate:
    """The candidate of a scaling, with its names in transformers' words.

    Args:
        name: Of the candidate.
        method: Applied to the unscaled frequencies.
        situation: Of the model.
        why: For people.
        max_seq_len: Tokens that the config names; `None` for the target.
    """
    kept = ("rope_theta", "partial_rotary_factor")
    base = {key: situation.rope_parameters[key] for key in kept if key in situation.rope_parameters}
    words = scaling.rope_parameters(method, situation.frequencies)
    if isinstance(method, scaling.NamedElsewhere):  # with the base as the config has it
        words |= base
    return RotaryCandidate(
        name=name,
        scaling=method,
        rope_parameters=base | words,
        max_seq_len=situation.target_length if max_seq_len is None else max_seq_len,
        why=why,
    )


def _none(situation: Situation) -> RotaryCandidate:
    return RotaryCandidate(
        name="none",
        scaling=situation.scaling,
        rope_parameters=dict(situation.rope_parameters),
        max_seq_len=situation.target_length,
        why="the model as it is",
    )


def _linear(situation: Situation) -> RotaryCandidate:
    method = scaling.linear(factor=situation.factor)
    why = f"every pair turns {situation.factor:g} times slower"
    return extended("linear", method, situation, why)


def ntk(situation: Situation, factor: float, name: str, what: str) -> RotaryCandidate:
    """A larger base, `what` it is called."""
    method = scaling.ntk(factor=factor)
    return extended(name, method, situation, f"{what}: {method(situation.frequencies).base:,.0f}")


def _ntk(situation: Situation) -> RotaryCandidate:
    return ntk(situation, situation.factor, "ntk", "a larger base")


def _dynamic_ntk(situation: Situation) -> RotaryCandidate:
    # transformers and vLLM take the trained length from max_position_embeddings.
    length = situation.trained_length
    method = scaling.dynamic_ntk(factor=situation.factor, original_seq_len=length)
    why = "a base that grows with each sequence; engines differ in what they do with cached keys"
    return extended("dynamic_ntk", method, situation, why, max_seq_len=length)


def _yarn(situation: Situation) -> RotaryCandidate:
    method = scaling.yarn(factor=situation.factor, original_seq_len=situation.trained_length)
    why = "slow pairs turn slower, fast ones stay, scores are sharpened"
    return extended("yarn", method, situation, why)


def _llama3(situation: Situation) -> RotaryCandidate:
    method = scaling.llama3(factor=situation.factor, original_seq_len=situation.trained_length)
    why = "pairs that turn less than once turn slower, those of four turns and more stay"
    return extended("llama3", method, situation, why)


METHODS: dict[str, Callable[[Situation], RotaryCandidate]] = {
    "none": _none,
    "linear": _linear,
    "ntk": _ntk,
    "dynamic_ntk": _dynamic_ntk,
    "yarn": _yarn,
    "llama3": _llama3,
}
"""How each method is set where nothing is searched for."""
