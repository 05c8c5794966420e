"""What is added to the embedding: the base of those encodings."""

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import check_covers, check_positions


class AddedTable(PositionEncoding, abstract=True):
    """An encoding that adds a vector for each position to the embedding: the base of those.

    A subclass implements `_table`. Checked positions, batches, dtypes and what is said of wrong
    embeddings come from here.
    """

    sites = frozenset({"embedding"})
    axes: int = 1
    """Of the positions."""

    def _table(self, positions: Tensor, dtype: torch.dtype) -> Tensor:
        """The vectors of positions.

        Args:
            positions: `[seq]` or `[batch, seq]`, with a last axis for several: int64 or floats.
            dtype: Of the activations.

        Returns:
            `[seq, dim]` or `[batch, seq, dim]`.
        """
        raise NotImplementedError

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        check_positions(positions, axes=self.axes, owner=type(self).__name__)
        # Wide enough to add an offset: small integers wrap.
        wide = positions if positions.is_floating_point() else positions.long()
        return self._table(wide, dtype)

    def embed(self, x: Tensor, prepared: Tensor) -> Tensor:
        owner = type(self).__name__
        if x.ndim != 3 or x.shape[-1] != prepared.shape[-1]:
            raise ArgumentError(
                f"{owner} adds to embeddings [batch, seq, dim] with dim {prepared.shape[-1]}, "
                f"got shape {list(x.shape)}"
            )
        if x.dtype == torch.float64 != prepared.dtype:
            raise ArgumentTypeError(
                f"x is float64 but {owner} was prepared in {prepared.dtype}; pass dtype=x.dtype to "
                "prepare, and cast the module where it has parameters"
            )
        check_covers(prepared[..., 0], batch=x.shape[0], seq=x.shape[1], owner=owner, what="x")
        return (x.to(torch.promote_types(x.dtype, prepared.dtype)) + prepared).to(x.dtype)
