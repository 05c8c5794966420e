"""One apply function of a model, and what is called in its place."""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from phasor._patch.measure import apart, arithmetic_of, rule_of, trial
from phasor._patch.rule import (
    Arithmetic,
    Rule,
    fits_kernel,
    turn,
    turn_at_once,
)
from phasor.kernels import cpu
from phasor.kernels.by_table import Rounding
from phasor.kernels.cpu.launch import supports

Parity = Literal["bitwise", "rounded"]

_COMPLEX = ("freqs_cis", "freqs_ci")
_NOT_TURNED = {"cos", "sin", *_COMPLEX, "position_ids", "unsqueeze_dim"}
_HEAD_DIM = 16
# Widths of a table for heads of _HEAD_DIM channels: as wide, half as wide, less, and in between.
_WIDTHS = {"whole": 16, "half": 8, "less": 4, "more": 12}
# Of activations [batch, heads, seq, head_dim] or without a batch, and of their table.
_NDIMS = ((4, 3), (4, 4), (4, 2), (3, 2), (3, 3))
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
# Those of activations and table by which each arithmetic differs from each other.
_TELLING = ((torch.bfloat16, torch.bfloat16), (torch.bfloat16, torch.float32))


class Form(NamedTuple):
    """What a rule may depend on, besides the function."""

    ndim: int
    table_ndim: int
    width: str
    unsqueeze: int | None
    turned: tuple[str, ...]


def is_apply(value: object) -> bool:
    """Whether a global of a modeling file takes activations and a table, to turn them."""
    if isinstance(value, type) or not callable(value):
        return False
    names = _parameters(value)
    return bool({"cos", "sin"} <= names.keys() or names.keys() & set(_COMPLEX))


def _parameters(value: Any) -> dict[str, inspect.Parameter]:
    try:
        # Functions that the library `kernels` may replace are modules.
        return dict(inspect.signature(getattr(value, "forward", value)).parameters)
    except (TypeError, ValueError):
        return {}


@dataclass(eq=False)
class Site:
    """An apply function, what it was found to do, and its substitute.

    All is measured at once, in every form and dtype that a model may come to call it in: later it
    may be called where nothing can be measured, in a trace or within autocast and checkpointing.

    Attributes:
        original: The function.
        name: Its file and name.
        parity: Whether to repeat its roundings.
        one_angle: Whether the tables that reach it are known to hold one angle for each pair.
        why_not: Why it is left alone, or `None`.
        widened: Whether its tables are float32 because phasor keeps them so.
        called: Whether the substitute was called, and computed or said that it does not.
    """

    original: Any
    name: str
    parity: Parity
    one_angle: bool
    why_not: str | None = None
    widened: bool = False
    called: bool = False
    rules: dict[Form, Rule] = field(default_factory=dict)
    arithmetics: dict[tuple[Form, torch.dtype, torch.dtype], Arithmetic] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        # Once, since torch.compile cannot look for a library.
        self.has_kernel = cpu.why_missing() is None
        self.parameters = _parameters(self.original)
        self.complex = next((name for name in _COMPLEX if name in self.parameters), None)
        keywords = inspect.Parameter.VAR_KEYWORD
        turned = [
            name
            for name, parameter in self.parameters.items()
            if name not in _NOT_TURNED and parameter.kind is not keywords
        ]
        self.turned = tuple(turned)
        self.names = tuple(self.parameters)
        default = self.parameters.get("unsqueeze_dim")
        self.unsqueeze = None if default is None else default.default
        self._measure()

    @apart
    def _measure(self) -> None:
        fewest = tuple(
            name for name in self.turned
            if self.parameters[name].default is inspect.Parameter.empty
        )  # fmt: skip
        unsqueezes = (None,) if self.unsqueeze is None else (self.unsqueeze, 1, 2, 0)
        for turned, unsqueeze, width, (ndim, table_ndim) in product(
            dict.fromkeys((self.turned, fewest)), dict.fromkeys(unsqueezes), _WIDTHS, _NDIMS
        ):
            form = Form(ndim, table_ndim, width, unsqueeze, turned)
            rule = rule_of(self._measured(form), **_sizes(form))
            if rule is None:
                continue
            self.rules[form] = rule
            found = self._measure_arithmetics(form, next(iter(self.rules)))
            self.arithmetics |= {
                (form, *dtypes): each for dtypes, each in found.items() if each is not None
            }
        if not self.rules:
            self.why_not = "it is not a rotation of pairs of channels by its cos and sin"
        elif not all(self._agrees(next(iter(self.rules)), dtype) for dtype in _DTYPES):
            self.why_not = "phasor's rotation differs from its own"

    def _measure_arithmetics(
        self, form: Form, first: Form
    ) -> dict[tuple[torch.dtype, torch.dtype], Arithmetic | None]:
        """For each two dtypes; those of the first form again, if what tells them apart is equal."""

        def measured(*dtypes: torch.dtype) -> Arithmetic | None:
            return arithmetic_of(self._measured(form), self.rules[form], *dtypes, **_sizes(form))

        found = {dtypes: measured(*dtypes) for dtypes in _TELLING}
        again = form != first and all(
            self.arithmetics.get((first, *dtypes)) == each for dtypes, each in found.items()
        )
        for dtypes in product(_DTYPES, _DTYPES):
            if dtypes not in found:
                found[dtypes] = (
                    self.arithmetics.get((first, *dtypes)) if again else measured(*dtypes)
                )
        return found

    def _agrees(self, form: Form, dtype: torch.dtype) -> bool:
        """Whether the substitute does what the function does, as it will be carried out."""
        rule, arithmetic = self.rules[form], self.arithmetics.get((form, dtype, dtype))
        if arithmetic is None:
            return True
        sizes = _sizes(form)
        # Vectors of the kernel, and a rest.
        sizes |= {"head_dim": 5 * sizes["head_dim"], "width": 5 * sizes["width"]}
        tensors, cos, sin = trial(rule.heads, dtype, dtype, **sizes)
        angle = (cos[..., : cos.shape[-1] // 2] if not rule.reads_once else cos).float()
        if not rule.reads_once:
            angle = (
                torch.cat((angle, angle), dim=-1)
                if rule.columns == "both halves"
                else angle.repeat_interleave(2, dim=-1)
            )
        cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
        theirs = self._measured(form)(tensors, cos, sin)
        ours = self._turned(tensors, cos, sin, rule, arithmetic)
        if self.parity == "bitwise":
            return all(map(torch.equal, ours, theirs))
        # A function may compute in a narrower dtype than it was given.
        close = 4 * max(torch.finfo(each).eps for each in (dtype, arithmetic.wide or dtype))
        return all(
            torch.allclose(x, y, rtol=0, atol=close * float(y.detach().abs().max()))
            for x, y in zip(ours, theirs, strict=True)
        )

    def arithmetic(
        self, form: Form, dtype: torch.dtype, table_dtype: torch.dtype
    ) -> Arithmetic | None:
        """The dtypes that the function computes in, or `None` where no rule was found for them."""
        return self.arithmetics.get((form, dtype, table_dtype))

    def _measured(self, form: Form) -> Callable[[list[Tensor], Tensor, Tensor], list[Tensor]]:
        def apply(tensors: list[Tensor], cos: Tensor, sin: Tensor) -> list[Tensor]:
            given: dict[str, Any] = dict(zip(form.turned, tensors, strict=True))
            if self.complex:
                # There is no complex bfloat16: such models keep their table in float32.
                parts = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (cos, sin))
                given[self.complex] = torch.complex(*parts)
            else:
                given |= {"cos": cos, "sin": sin}
            if form.unsqueeze is not None:
                given["unsqueeze_dim"] = form.unsqueeze
            out = self.original(**given)
            return [out] if isinstance(out, Tensor) else list(out)

        return apply

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns, computed by phasor."""
        if not torch.compiler.is_compiling():
            self.called = True
        given = dict(zip(self.names, args, strict=False))
        given.update(kwargs)
        if self.complex:
            table = given[self.complex]
            cos, sin = table.real, table.imag
        else:
            cos, sin = given["cos"], given["sin"]
        turned = tuple(name for name in self.turned if given.get(name) is not None)
        x = given[turned[0]]
        form = Form(
            x.ndim, cos.ndim, _relation(x.shape[-1], cos.shape[-1]),
            given.get("unsqueeze_dim", self.unsqueeze), turned,
        )  # fmt: skip
        arithmetic = self.arithmetic(form, x.dtype, x.dtype if self.widened else cos.dtype)
        if arithmetic is None:
            if not torch.compiler.is_compiling():
                warnings.warn(
                    f"{self.name} keeps its own rotation of tensors {list(x.shape)} {x.dtype} by "
                    f"a table {list(cos.shape)} {cos.dtype}: phasor found no rule for it",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return self.original(*args, **kwargs)
        tensors = [given[name] for name in turned]
        out = self._turned(tensors, cos, sin, self.rules[form], arithmetic)
        return out[0] if len(out) == 1 else tuple(out)

    def _turned(
        self, tensors: list[Tensor], cos: Tensor, sin: Tensor, rule: Rule, arithmetic: Arithmetic
    ) -> list[Tensor]:
        x = tensors[0]
        roundings = self._roundings(x, cos, arithmetic)
        # torch.compile cannot look into an operator within a transform of torch.func.
        traced = torch._C._are_functorch_transforms_active() and torch.compiler.is_compiling()
        if (
            roundings is not None
            and not traced
            and all(
                self.has_kernel
                and y.is_cpu
                and supports(y.dtype)
                and fits_kernel(y, cos, rule, one_angle=self.one_angle)
                for y in tensors
            )
        ):
            if len(tensors) == 2 and _alike(x, tensors[1], rule):
                both = turn_at_once(x, tensors[1], cos, sin, rule, *roundings)
                return [y for y in both if y is not None]
            return [turn_at_once(y, None, cos, sin, rule, *roundings)[0] for y in tensors]
        if self.parity == "rounded":
            wide = torch.promote_types(torch.promote_types(x.dtype, cos.dtype), torch.float32)
            arithmetic = Arithmetic(wide, arithmetic.out)
        return [turn(y, cos, sin, rule, arithmetic) for y in tensors]

    def _roundings(
        self, x: Tensor, cos: Tensor, arithmetic: Arithmetic
    ) -> tuple[Rounding, Rounding] | None:
        """What the kernel is to round, forward and backward; `None` if it cannot do so."""
        if arithmetic.out != x.dtype:
            return None
        if self.parity == "rounded":
            return "once", "once"
        if arithmetic.wide is not None:
            doubles = torch.float64 in (x.dtype, cos.dtype, arithmetic.wide)
            return None if doubles else ("wide", "each" if arithmetic.casts_twice else "wide")
        if torch.promote_types(x.dtype, cos.dtype) == x.dtype:
            return "each", "each"
        return ("wide", "each") if cos.dtype == torch.float32 else None


def _alike(x: Tensor, other: Tensor, rule: Rule) -> bool:
    """Whether both can turn in one call: they may differ in the number of heads alone."""
    mine, its = list(x.shape), list(other.shape)
    del mine[rule.heads], its[rule.heads]
    return mine == its and x.dtype == other.dtype


def _sizes(form: Form) -> dict[str, int]:
    return {
        "ndim": form.ndim, "table_ndim": form.table_ndim, "head_dim": _HEAD_DIM,
        "width": _WIDTHS[form.width], "count": len(form.turned),
    }  # fmt: skip


def _relation(head_dim: int, width: int) -> str:
    if width == head_dim:
        return "whole"
    if 2 * width == head_dim:
        return "half"
    return "less" if 2 * width < head_dim else "more"


def name_of(value: Any) -> str:
    """`modeling_llama.apply_rotary_pos_emb`."""
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}"
