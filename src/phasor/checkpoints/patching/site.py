"""One apply function of a model, and what is called in its place."""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from phasor.checkpoints.patching.measure import arithmetic_of, rule_of, trial
from phasor.checkpoints.patching.rule import (
    Arithmetic,
    Rule,
    fits_kernel,
    turn,
    turn_at_once,
)
from phasor.errors import ArgumentError
from phasor.kernels import cpu
from phasor.kernels.by_table import Rounding
from phasor.kernels.cpu.launch import supports

Parity = Literal["bitwise", "rounded"]

_COMPLEX = ("freqs_cis", "freqs_ci")
_NOT_TURNED = {"cos", "sin", *_COMPLEX, "position_ids", "unsqueeze_dim"}
_HEAD_DIM = 16
# Widths of a table for heads of _HEAD_DIM channels: as wide, half as wide, less, and in between.
_WIDTHS = {"whole": 16, "half": 8, "less": 4, "more": 12}


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

    Attributes:
        original: The function.
        name: Its file and name.
        parity: Whether to repeat its roundings.
        one_angle: Whether the tables that reach it are known to hold one angle for each pair.
        dtypes: Those of the activations that are expected.
        why_not: Why it is left alone, or `None`.
        widened: Whether its tables are float32 because phasor keeps them so.
        called: Whether the substitute has computed anything.
    """

    original: Any
    name: str
    parity: Parity
    one_angle: bool
    dtypes: tuple[torch.dtype, ...]
    why_not: str | None = None
    widened: bool = False
    called: bool = False
    rules: dict[Form, Rule | None] = field(default_factory=dict)
    arithmetics: dict[tuple[Form, torch.dtype, torch.dtype], Arithmetic | None] = field(
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
        self._measure_usual_forms()

    def _measure_usual_forms(self) -> None:
        # Of a tensor traced by torch.compile nothing can be measured: the usual is known before.
        fewest = tuple(
            name for name in self.turned
            if self.parameters[name].default is inspect.Parameter.empty
        )  # fmt: skip
        unsqueezes = (None,) if self.unsqueeze is None else (1, 2)
        for turned in dict.fromkeys((self.turned, fewest)):
            for unsqueeze in unsqueezes:
                for width in _WIDTHS:
                    self.rule(Form(4, 3, width, unsqueeze, turned))
        found = [form for form, rule in self.rules.items() if rule]
        if not found:
            self.why_not = "it is not a rotation of pairs of channels by its cos and sin"
        elif not all(self._agrees(found[0], dtype) for dtype in self.dtypes):
            self.why_not = "phasor's rotation differs from its own"

    def _agrees(self, form: Form, dtype: torch.dtype) -> bool:
        """Whether the substitute does what the function does, as it will be carried out."""
        rule, arithmetic = self.rules[form], self.arithmetics[form, dtype, dtype]
        if rule is None or arithmetic is None:
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
        close = 4 * torch.finfo(dtype).eps
        return all(
            torch.allclose(x, y, rtol=0, atol=close * float(y.detach().abs().max()))
            for x, y in zip(ours, theirs, strict=True)
        )

    def rule(self, form: Form) -> Rule | None:
        """The rule for tensors of this form, measured when it is first asked for."""
        if form not in self.rules:
            if torch.compiler.is_compiling():
                raise ArgumentError(
                    f"phasor has not seen {self.name} called like this; run one forward pass "
                    "before torch.compile"
                )
            self.rules[form] = rule = rule_of(self._measured(form), **_sizes(form))
            for dtype in self.dtypes if rule else ():
                for table_dtype in dict.fromkeys((dtype, torch.float32)):
                    self.arithmetic(form, dtype, table_dtype)
        return self.rules[form]

    def arithmetic(
        self, form: Form, dtype: torch.dtype, table_dtype: torch.dtype
    ) -> Arithmetic | None:
        """The dtypes that the function computes in, measured when they are first asked for."""
        key = (form, dtype, table_dtype)
        if key not in self.arithmetics:
            rule = self.rules[form]
            assert rule is not None
            self.arithmetics[key] = arithmetic_of(
                self._measured(form), rule, dtype, table_dtype, **_sizes(form)
            )
        return self.arithmetics[key]

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
        rule = self.rule(form)
        table_dtype = x.dtype if self.widened else cos.dtype
        arithmetic = None if rule is None else self.arithmetic(form, x.dtype, table_dtype)
        if rule is None or arithmetic is None:
            if not torch.compiler.is_compiling():
                warnings.warn(
                    f"{self.name} keeps its own rotation of tensors {list(x.shape)} {x.dtype} by "
                    f"a table {list(cos.shape)} {cos.dtype}: phasor found no rule for it",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return self.original(*args, **kwargs)
        if not torch.compiler.is_compiling():
            self.called = True
        tensors = [given[name] for name in turned]
        out = self._turned(tensors, cos, sin, rule, arithmetic)
        return out[0] if len(out) == 1 else tuple(out)

    def _turned(
        self, tensors: list[Tensor], cos: Tensor, sin: Tensor, rule: Rule, arithmetic: Arithmetic
    ) -> list[Tensor]:
        x = tensors[0]
        roundings = self._roundings(x, cos, arithmetic)
        if roundings is not None and all(
            self.has_kernel
            and y.is_cpu
            and supports(y.dtype)
            and fits_kernel(y, cos, rule, one_angle=self.one_angle)
            for y in tensors
        ):
            alike = (
                len(tensors) == 2
                and _without_heads(tensors[1], rule) == _without_heads(x, rule)
                and tensors[1].dtype == x.dtype
            )
            if alike:
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


def _without_heads(x: Tensor, rule: Rule) -> list[int]:
    """The shape of `x` but for its number of heads."""
    shape = list(x.shape)
    del shape[rule.heads]
    return shape


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
