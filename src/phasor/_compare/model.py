"""The model of the lab: a small decoder that takes any position encoding by its hooks."""

import torch
from torch import Tensor, nn

from phasor.attention import attention
from phasor.encoding import PositionEncoding, Prepared, Site, require_sites
from phasor.errors import ArgumentError
from phasor.per_layer import PerLayer

EMBEDDING_RMS = 0.02
"""Standard deviation of the initial weights, and so the root mean square of the embedding."""


class Decoder(nn.Module):
    """Causal Transformer: pre-norm RMSNorm, GELU, tied embeddings, no biases.

    Position enters through its encodings alone, at their three sites.

    Args:
        encoding: Any encoding, the same in each layer, or one for each; the model never asks which.
        vocab_size: Number of tokens.
        width: Channels of the residual stream.
        num_layers: Blocks of attention and feed-forward.
        num_heads: Divides `width`.

    Raises:
        ArgumentError: `num_heads` does not divide `width`, or encodings of more or fewer layers.
        SiteError: An encoding needs a site that the model lacks.
    """

    sites: frozenset[Site] = frozenset({"embedding", "query_key", "score"})

    def __init__(
        self,
        encoding: PositionEncoding | PerLayer,
        *,
        vocab_size: int,
        width: int,
        num_layers: int,
        num_heads: int,
    ) -> None:
        super().__init__()
        if isinstance(encoding, PositionEncoding):
            encoding = PerLayer.in_turn([encoding], num_layers)
        for each in encoding.distinct:
            require_sites(each, self.sites, model="Decoder")
        if len(encoding) != num_layers:
            raise ArgumentError(
                f"there must be one encoding for each of the {num_layers} layers, got "
                f"{len(encoding)}"
            )
        if width % num_heads:
            raise ArgumentError(
                f"num_heads must divide width, got {num_heads} heads for width {width}"
            )
        self.encoding = encoding
        self.embedding = nn.Embedding(vocab_size, width)
        self.blocks = nn.ModuleList(Block(width, num_heads) for _ in range(num_layers))
        self.norm = nn.RMSNorm(width)
        # Not the encoding, which draws its own: all else is then the same for every encoding.
        for module in (self.embedding, *self.blocks.modules()):
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_RMS)

    def forward(
        self, tokens: Tensor, positions: Tensor | None = None, *, causal: bool = True
    ) -> Tensor:
        """Scores of the next token.

        Args:
            tokens: `[batch, seq]`, integers.
            positions: `[seq]` or `[batch, seq]`; 0, 1, 2, ... if not given.
            causal: Let no token see a later one.

        Returns:
            Logits `[batch, seq, vocab_size]`.
        """
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens)
        prepared = self.encoding(positions, dtype=x.dtype)
        x = self.encoding.embed(x, prepared)
        for block, encoding, ready in zip(self.blocks, self.encoding, prepared.layers, strict=True):
            x = block(x, encoding, ready, causal)
        return self.norm(x) @ self.embedding.weight.T

    @property
    def first_block(self) -> "Block":
        """The block that sees the embedding."""
        block = self.blocks[0]
        assert isinstance(block, Block)
        return block


class Block(nn.Module):
    """Attention, then a feed-forward layer of four times the width, each on a normalised input."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.RMSNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.RMSNorm(width)
        self.feed_forward_in = nn.Linear(width, 4 * width, bias=False)
        self.feed_forward_out = nn.Linear(4 * width, width, bias=False)

    def forward(
        self, x: Tensor, encoding: PositionEncoding, prepared: Prepared, causal: bool
    ) -> Tensor:
        hidden = self.attention_norm(x)
        query, key, value = self.project(hidden)
        heads = attention(
            query,
            key,
            value,
            encoding,
            prepared=prepared,
            features=encoding.observe(hidden),
            causal=causal,
        )
        x = x + self.attention_out(heads.transpose(1, 2).flatten(2))
        hidden = nn.functional.gelu(self.feed_forward_in(self.feed_forward_norm(x)))
        return x + self.feed_forward_out(hidden)

    def project(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of a normalised input, each `[batch, heads, seq, head_dim]`."""
        projected = self.query_key_value(hidden)
        query, key, value = projected.unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
