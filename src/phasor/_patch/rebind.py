"""Other globals for the methods of one module, so that nothing else in the process changes.

A method finds the function that it calls by name, in the globals of its file, which all models of
that file share. A method made of the same code with globals of its own finds another.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from torch import nn

Swap = Callable[[object], object | None]

# What accelerate sets on a module to put a hook around its forward.
WRAPPING = ("forward", "_old_forward", "_hf_hook")


def rebound_class(kind: type[nn.Module], swap: Swap) -> type[nn.Module] | None:
    """A class like `kind` whose methods find other functions.

    Args:
        kind: The class of a module.
        swap: Gives the substitute of a global that a method names, or `None` to leave it.

    Returns:
        A subclass of the same name; `None` if no method names anything that has a substitute.
    """
    overrides: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "torch" or base is object:
            continue
        for name, member in vars(base).items():
            if name in overrides or _find(kind, name) is not member:
                continue
            wrap = type(member) if isinstance(member, staticmethod | classmethod) else None
            function = member.__func__ if wrap else member
            if not isinstance(function, FunctionType):
                continue
            other = rebound(function, swap)
            if other is not function:
                overrides[name] = wrap(other) if wrap else other
    return like(kind, overrides) if overrides else None


def like(kind: type[nn.Module], members: dict[str, Any]) -> type[nn.Module]:
    """A subclass of `kind` that says it is `kind`, with some members of its own.

    A copy of one of its modules stays what it is; a pickle is one of the original class, which
    another process can find.
    """

    def __reduce_ex__(self: nn.Module, protocol: Any) -> Any:  # noqa: N807
        _, _, *state = super(patched, self).__reduce_ex__(protocol)
        return _blank, (kind,), *state

    def __deepcopy__(self: nn.Module, memo: dict[int, Any]) -> nn.Module:  # noqa: N807
        from copy import deepcopy

        twin = memo[id(self)] = patched.__new__(patched)
        twin.__dict__.update(deepcopy(self.__dict__, memo))
        return twin

    patched = type(kind)(
        kind.__name__,
        (kind,),
        {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            "__reduce_ex__": __reduce_ex__,
            "__deepcopy__": __deepcopy__,
            "_phasor_original": kind,
            **members,
        },
    )
    return patched


def _blank(kind: type[nn.Module]) -> nn.Module:
    return kind.__new__(kind)


def original_class(module: nn.Module) -> type[nn.Module] | None:
    """The class that `module` had before, or `None` if it was not given another."""
    return type(module).__dict__.get("_phasor_original")


def hides(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether `module` has a forward of its own in which that of its class is not to be found.

    Args:
        module: The module.
        kind: The class that it is to get.
    """
    if "forward" not in vars(kind) or "forward" not in vars(module):
        return False
    found: list[MethodType] = []
    for name in WRAPPING:
        _in_place(vars(module).get(name), module, lambda method: found.append(method) or method)
    return not any(method.__func__ is type(module).forward for method in found)


def become(module: nn.Module, kind: type[nn.Module]) -> None:
    """Give a module another class, and what wraps its methods those of that class."""
    before = type(module)

    def swap(method: MethodType) -> MethodType:
        name = method.__func__.__name__
        if getattr(before, name, None) is not method.__func__:
            return method
        return MethodType(getattr(kind, name), module)

    for name in WRAPPING:
        if name in vars(module):
            vars(module)[name] = _in_place(vars(module)[name], module, swap)
    module.__class__ = kind


def _in_place(value: object, module: nn.Module, swap: Callable[[MethodType], MethodType]) -> object:
    """`value`, with methods of `module` swapped that it is, or that it holds."""
    if isinstance(value, MethodType):
        if value.__self__ is module:
            value = swap(value)
        _in_place(value.__func__, module, swap)
    elif isinstance(value, partial):
        parts = (value.func, *value.args)
        others = [_in_place(part, module, swap) for part in parts]
        if any(a is not b for a, b in zip(parts, others, strict=True)):
            state: Any = value  # a partial is changed in place by its state alone
            state.__setstate__((others[0], tuple(others[1:]), value.keywords, vars(value)))
    elif isinstance(value, FunctionType):
        for cell in value.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            if isinstance(content, MethodType | partial | FunctionType) and content is not value:
                cell.cell_contents = _in_place(content, module, swap)
    return value


def rebound(function: FunctionType, swap: Swap) -> FunctionType:
    """A function of the same code that finds other globals; the same one if it names none.

    Functions of the same file that it calls, and functions that a decorator wrapped, are looked
    through.
    """
    return _rebound(function, swap, {})


def _rebound(
    function: FunctionType, swap: Swap, done: dict[FunctionType, FunctionType]
) -> FunctionType:
    if function in done:
        return done[function]
    done[function] = function  # of a function that calls itself
    found: dict[str, object] = {}
    for name in set(_names(function.__code__)):
        value = function.__globals__.get(name)
        other = swap(value)
        if other is None and isinstance(value, FunctionType):
            if value.__globals__ is not function.__globals__:
                continue
            deeper = _rebound(value, swap, done)
            other = None if deeper is value else deeper
        if other is not None:
            found[name] = other
    cells = [_rebound_cell(cell, swap, done) for cell in function.__closure__ or ()]
    changed = any(a is not b for a, b in zip(cells, function.__closure__ or (), strict=True))
    if not found and not changed:
        return function
    # Without a `__name__` torch.compile looks names up here, not in the module of that name.
    scope = function.__globals__
    if found:
        scope = {name: value for name, value in scope.items() if name != "__name__"} | found
    other = FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, tuple(cells)
    )
    other.__kwdefaults__ = function.__kwdefaults__
    other.__annotations__ = function.__annotations__
    other.__qualname__, other.__module__ = function.__qualname__, function.__module__
    other.__doc__ = function.__doc__
    other.__dict__.update(function.__dict__)
    wrapped = function.__dict__.get("__wrapped__")
    if wrapped in done:
        other.__dict__["__wrapped__"] = done[wrapped]
    done[function] = other
    return other


def _rebound_cell(cell: CellType, swap: Swap, done: dict[FunctionType, FunctionType]) -> CellType:
    try:
        content = cell.cell_contents
    except ValueError:  # not filled yet
        return cell
    if not isinstance(content, FunctionType):
        return cell
    other = _rebound(content, swap, done)
    return cell if other is content else CellType(other)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _find(kind: type, name: str) -> object:
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None
