"""What turns query and key: a table of positions, and the formula that uses it."""

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding
from phasor.encodings._bases.query_key import check_query_key, heads_per_group
from phasor.errors import SiteError
from phasor.positions import check_covers, check_positions
from phasor.rotary.phase import table_dtype


class Table(NamedTuple):
    """Positions `[seq]` or `[batch, seq]`, without their axes, and what was made of them."""

    positions: Tensor
    parts: tuple[Tensor, ...]


class Tables(NamedTuple):
    """Those of query and key; without the latter, keys stay as they are."""

    query: Table
    key: Table | None


class QueryKeyTurn(PositionEncoding, abstract=True):
    r"""Query and key changed by their positions: a table, and the formula that uses it.

    A subclass implements `table(positions)` and `turn(x, *table)`. Batched positions, caches,
    grouped heads, `heads()`, padding, dtypes and what is said of wrong arguments come from here.
    Parameters are used in `table` alone.

    Args:
        head_dim: Channels of each head; `None` for any.
        num_heads: How many heads have numbers of their own; `None` if all share them.

    Raises:
        SiteError: When the class is made: no `table` or no `turn`.

    Source:
        None: each encoding says where it was published.

    Examples:
        >>> class Twist(phasor.QueryKeyTurn):
        ...     paper = "none: each pair turns with the square root of its position"
        ...     def table(self, positions):
        ...         angle = positions.double().sqrt()[:, None, :, None]
        ...         return angle.cos(), angle.sin()
        ...     def turn(self, x, cos, sin):
        ...         first, second = x.chunk(2, dim=-1)
        ...         return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)
        >>> query, key, value = torch.randn(3, 1, 4, 6, 8)
        >>> phasor.attention(query, key, value, Twist(head_dim=8)).shape
        torch.Size([1, 4, 6, 8])
    """

    sites = frozenset({"query_key"})
    is_relative = False
    axes: int = 1
    """Of the positions."""
    turns_key: ClassVar[bool] = True
    """Whether the key is changed too, or the query alone."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(abstract=abstract, **kwargs)
        for method in ("table", "turn"):
            if not abstract and getattr(cls, method) is getattr(QueryKeyTurn, method):
                raise SiteError(f"{cls.__name__} is a QueryKeyTurn but has no {method}()")

    def __init__(self, head_dim: int | None = None, num_heads: int | None = None) -> None:
        super().__init__()
        self.head_dim = head_dim
        if num_heads is not None:
            self.num_heads = num_heads
            self.has_parts = True

    def table(self, positions: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the formula needs, once per forward pass.

        Args:
            positions: `[batch or 1, seq]`, with a last axis for several: integers (int64) or
                floats (float64).

        Returns:
            Tensors that broadcast to `[batch, num_heads, seq, ...]`; parameters as
            `self.of_heads(parameter)`. Floats become float32, or float64 for activations in it.
        """
        raise NotImplementedError

    def key_table(self, positions: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Likewise for keys: the same, unless said."""
        return self.table(positions)

    def turn(self, x: Tensor, /, *table: Tensor) -> Tensor:
        """The formula.

        Args:
            x: Query or key, `[batch, num_heads, group, seq, head_dim]`, where a group are the heads
                that share numbers; in the dtype of the table at least.
            table: What `table` returned, with an axis for the group.
        """
        raise NotImplementedError

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tables:
        wide = table_dtype(dtype)
        query = self._made(positions, wide, self.table)
        if not self.turns_key:
            return Tables(query, None)
        if key_positions is None and type(self).key_table is QueryKeyTurn.key_table:
            return Tables(query, query)
        keys = positions if key_positions is None else key_positions
        return Tables(query, self._made(keys, wide, self.key_table))

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Tables
    ) -> tuple[Tensor, Tensor | None]:
        head_dim = query.shape[-1] if self.head_dim is None else self.head_dim
        check_query_key(
            query,
            key if self.turns_key else None,
            head_dim=head_dim,
            dtype=_dtype(prepared.query.parts),
            owner=type(self).__name__,
        )
        turned = self._turned(query, prepared.query, "query")
        if key is None or prepared.key is None:
            return turned, key
        return turned, self._turned(key, prepared.key, "key")

    def _made(self, positions: Tensor, wide: torch.dtype, make: Any) -> Table:
        check_positions(positions, axes=self.axes, owner=type(self).__name__)
        exact = positions.double() if positions.is_floating_point() else positions.long()
        tokens = positions if self.axes == 1 else positions[..., 0]
        batched = exact if tokens.ndim == 2 else exact.unsqueeze(0)
        with torch.autocast(positions.device.type, enabled=False):
            made = make(batched)
        parts = (made,) if isinstance(made, Tensor) else tuple(made)
        return Table(tokens, tuple(_own(part, wide) for part in parts))

    def _turned(self, x: Tensor, table: Table, what: str) -> Tensor:
        owner = type(self).__name__
        check_covers(table.positions, batch=len(x), seq=x.shape[2], owner=owner, what=what)
        num_heads: int = getattr(self, "num_heads", 1)
        group = heads_per_group(x, num_heads, owner=owner, what=what)
        parts = [part.unsqueeze(2) for part in table.parts]
        wide = x.to(torch.promote_types(x.dtype, _dtype(table.parts)))
        wide = wide.unflatten(1, (num_heads, group))
        with torch.autocast(x.device.type, enabled=False):
            return self.turn(wide, *parts).flatten(1, 2).to(x.dtype)


def _own(part: Tensor, wide: torch.dtype) -> Tensor:
    """In the dtype of the table, and no view of a parameter, which may be gone at the hooks."""
    if not part.is_floating_point():
        return part
    return part.clone() if part.dtype == wide else part.to(wide)


def _dtype(parts: tuple[Tensor, ...]) -> torch.dtype:
    return next((part.dtype for part in parts if part.is_floating_point()), torch.float32)
