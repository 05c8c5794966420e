"""Which key a query may attend to: causality, a window, documents, a mask."""

from typing import NamedTuple

import torch
from torch import Tensor


class Allowed(NamedTuple):
    """What restricts attention, none of it spread out over queries and keys.

    Args:
        past: Keys before the one that goes with the first query: `key_seq - seq`.
        causal: No key after the query.
        window: No key `window` or more tokens away.
        mask: `[1 or batch, 1 or num_heads, 1 or seq, 1 or key_seq]`, true where allowed.
        documents: `[1 or batch, seq]`, of the queries.
        key_documents: `[1 or batch, key_seq]`; a query attends to keys of its own document.
        query_index: `[1 or batch, seq]`, where each query stands in the sequence, if not where
            `past` says; then with `key_index`.
        key_index: `[1 or batch, key_seq]`, likewise of keys.
    """

    past: int
    causal: bool = True
    window: int | None = None
    mask: Tensor | None = None
    documents: Tensor | None = None
    key_documents: Tensor | None = None
    query_index: Tensor | None = None
    key_index: Tensor | None = None

    @property
    def is_causal_alone(self) -> bool:
        """Whether nothing but `causal` restricts anything, if that does."""
        return (
            self.window is None
            and self.mask is None
            and self.documents is None
            and (self.query_index is None or not self.causal)
        )

    @property
    def differs_by_sequence(self) -> bool:
        """Whether it is not the same for all sequences of the batch."""
        parts = (
            self.mask, self.documents, self.key_documents, self.query_index, self.key_index,
        )  # fmt: skip
        return any(part is not None and part.shape[0] > 1 for part in parts)

    @property
    def differs_by_head(self) -> bool:
        """Whether it is not the same for all heads."""
        return self.mask is not None and self.mask.shape[1] > 1

    def block(
        self, rows: tuple[int, int], keys: tuple[int, int], device: torch.device
    ) -> Tensor | None:
        """Of queries and keys from and before two indices each; `None` where all is allowed.

        Broadcasts to `[batch, num_heads, rows, keys]`.
        """
        parts = []
        if self.causal or self.window is not None:
            if self.query_index is not None and self.key_index is not None:
                place = self.query_index[:, None, rows[0] : rows[1], None]
                parts += self._near(place - self.key_index[:, None, None, keys[0] : keys[1]])
            else:
                place = torch.arange(*rows, device=device)[:, None] + self.past
                parts += self._near(place - torch.arange(*keys, device=device))
        if self.documents is not None and self.key_documents is not None:
            of_query = self.documents[:, None, rows[0] : rows[1], None]
            parts.append(of_query == self.key_documents[:, None, None, keys[0] : keys[1]])
        if self.mask is not None:
            parts.append(_part(_part(self.mask, 2, rows), 3, keys))
        allowed = None
        for part in parts:
            allowed = part if allowed is None else allowed & part
        return allowed

    def pair(self, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
        """The same of one query and one key: a `mask_mod` of FlexAttention."""
        allowed = torch.ones_like(query_index, dtype=torch.bool)
        distance = query_index + self.past - key_index
        if self.query_index is not None and self.key_index is not None:
            of_query = self.query_index[_within(batch, self.query_index, 0), query_index]
            distance = of_query - self.key_index[_within(batch, self.key_index, 0), key_index]
        for part in self._near(distance):
            allowed = allowed & part
        if self.documents is not None and self.key_documents is not None:
            of_query = self.documents[_within(batch, self.documents, 0), query_index]
            of_key = self.key_documents[_within(batch, self.key_documents, 0), key_index]
            allowed = allowed & (of_query == of_key)
        if self.mask is not None:
            index = (batch, head, query_index, key_index)
            places = tuple(_within(at, self.mask, axis) for axis, at in enumerate(index))
            allowed = allowed & self.mask[places]
        return allowed

    def _near(self, distance: Tensor) -> list[Tensor]:
        near = []
        if self.causal:
            near.append(distance >= 0)
        if self.window is not None:
            near.append(distance < self.window)
            if not self.causal:
                near.append(distance > -self.window)
        return near


def _part(mask: Tensor, axis: int, ends: tuple[int, int]) -> Tensor:
    if mask.shape[axis] == 1:
        return mask
    return mask.narrow(axis, ends[0], ends[1] - ends[0])


def _within(index: Tensor, of: Tensor, axis: int) -> Tensor:
    """0 along an axis that is to be broadcast."""
    return index if of.shape[axis] > 1 else torch.zeros_like(index)
