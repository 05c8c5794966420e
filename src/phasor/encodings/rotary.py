"""Rotary position embedding: query and key turn with their positions."""

from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from phasor._encoding_spec import UNSTATED, EncodingSpec, constructed_from
from phasor._kinds import check_kinds
from phasor._sizes import MOST_TOKENS, within_float64
from phasor.encoding import PositionEncoding
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.kernels.api import turn
from phasor.positions import check_positions, check_range
from phasor.rotary import Frequencies, Layout, Precision
from phasor.rotary.layout import RotarySlice, check_layout, check_slice
from phasor.rotary.phase import check_precision
from phasor.rotary.rules import GeometricSpec, Rule, SectionsSpec
from phasor.rotary.scaling import BY_NAME, LengthScaling, Scaling
from phasor.rotary.words import in_words, pairing, scaling_in_words


class Places(NamedTuple):
    """Where query and key are, and what their positions are multiplied by (on one device).

    `like`, without elements, has the dtype of the activations that it was prepared for.
    """

    query: Tensor
    key: Tensor
    query_operand: Tensor
    key_operand: Tensor
    like: Tensor


@dataclass(frozen=True)
class RotarySpec(EncodingSpec["Rotary"]):
    r"""`phasor.Rotary` as data.

    Args:
        head_dim: Channels of each head. Where a head is put together from a part that turns and
            one that does not (DeepSeek), of both parts together.
        base: $b$; called `rope_theta` in configs; 10,000 unless said. Short for `frequencies`.
        rotary_dim: Leading channels that turn (partial rotary); all of them if `None`. Likewise.
        frequencies: Instead of `base` and `rotary_dim`: a rule of `phasor.spec`, or any
            `Frequencies`.
        scaling: Applied to the frequencies; any of `phasor.scaling`, or a function of your own from
            `Frequencies` to `Frequencies`. One that depends on the length makes a `Rotary` that
            must be given one, by `at`, before it can prepare.
        sections: Which pair turns with which axis, after any scaling (M-RoPE).
        layout: `"half"` pairs channel $i$ with $i + d/2$ (GPT-NeoX, LLaMA in transformers);
            `"interleaved"` pairs $2i$ with $2i + 1$ (the paper, GPT-J, Meta's LLaMA).
        rotary_slice: Which channels turn, the `"leading"` or (DeepSeek-V4) the `"trailing"` ones.
        precision: See `phasor.cos_sin`.

    Attributes:
        unscaled: The frequencies before scaling and sections.
        scaled: Those after; before, where they depend on the length.
    """

    head_dim: int
    _: KW_ONLY
    base: InitVar[float | None] = None
    rotary_dim: InitVar[int | None] = None
    frequencies: Rule = None  # type: ignore[assignment]  # settled below
    scaling: Scaling | LengthScaling | None = None
    sections: SectionsSpec | None = None
    layout: Layout = "half"
    rotary_slice: RotarySlice = "leading"
    precision: Precision = field(default="exact", metadata=UNSTATED)
    unscaled: Frequencies = field(init=False, repr=False, compare=False)
    scaled: Frequencies = field(init=False, repr=False, compare=False)

    def __post_init__(self, base: float | None, rotary_dim: int | None) -> None:
        check_kinds(self, base=base, rotary_dim=rotary_dim)
        check_layout(self.layout)
        check_slice(self.rotary_slice)
        check_precision(self.precision)
        if self.frequencies is None:
            width = self.head_dim if rotary_dim is None else rotary_dim
            rule = GeometricSpec(rotary_dim=width, base=10_000.0 if base is None else base)
            object.__setattr__(self, "frequencies", rule)
        elif rotary_dim is not None or base not in (None, 10_000.0):
            raise ArgumentError(
                f"frequencies already fix base and rotary_dim, got base={base} and "
                f"rotary_dim={rotary_dim} as well; pass one or the other"
            )
        super().__post_init__()

    def check(self) -> None:
        scaling = self.scaling
        if scaling is not None and not isinstance(scaling, LengthScaling) and not callable(scaling):
            raise ArgumentTypeError(
                "scaling must be one such as phasor.scaling.yarn(factor=4, "
                f"original_seq_len=4096), got {type(scaling).__name__} {scaling!r}"
                + "; phasor.Rotary.from_config reads a config"
                * isinstance(scaling, dict)
            )
        if self.sections is not None and isinstance(scaling, LengthScaling):
            raise ArgumentError(
                f"sections of frequencies that depend on the length have no rule, got scaling "
                f"{scaling}; settle it with .at(seq_len)"
            )
        resolve = _resolved if self._is_named else _resolved.__wrapped__
        unscaled, scaled = resolve(self.head_dim, self.frequencies, scaling, self.sections)
        object.__setattr__(self, "unscaled", unscaled)
        object.__setattr__(self, "scaled", scaled)

    @property
    def _is_named(self) -> bool:
        return self.scaling is None or isinstance(self.scaling, tuple(BY_NAME.values()))

    def kept(self) -> "RotarySpec":
        """Without a function of the user's, which may be one that cannot be copied or stored."""
        if self._is_named:
            return self
        return replace(self, frequencies=self.scaled, scaling=None, sections=None)

    def check_whole(self) -> None:
        if not self._is_named:
            raise ArgumentTypeError(
                f"a spec names its scaling, one of {', '.join(BY_NAME)}, got {self.scaling!r}; "
                "for frequencies of your own pass frequencies=ExplicitSpec(...)"
            )
        if isinstance(self.scaling, LengthScaling):
            with within_float64():
                for seq_len in (1, MOST_TOKENS):
                    self.scaling.at(seq_len)(self.unscaled)

    def build(self, *, precision: Precision | None = None) -> "Rotary":
        """The module; see `phasor.cos_sin` for `precision`."""
        options = self if precision is None else replace(self, precision=precision)
        return super(RotarySpec, options).build()

    def in_words(self) -> str:
        parts = [f"rotary: {self.which()}", self.frequencies.in_words()]
        if self.sections is not None:
            sizes = " + ".join(map(str, self.sections.sizes))
            parts.append(f"pairs shared by axes as {sizes}, {self.sections.order}")
        if self.scaling is not None:
            parts.append(f"scaled by {scaling_in_words(self.scaling)}")
        return ", ".join(parts)

    def which(self) -> str:
        """Which channels turn, and which form a pair."""
        turning = self.unscaled.rotary_dim
        some = f"the {self.rotary_slice} {turning} of {self.head_dim} channels"
        which = f"all {turning} channels" if turning == self.head_dim else some
        return f"{which} turn, {pairing(self.layout, turning // 2)}"


# Many layers do the same, and a config may say so ten thousand times.
@lru_cache(maxsize=64)
def _resolved(
    head_dim: int,
    rule: Rule,
    scaling: Scaling | LengthScaling | None,
    sections: SectionsSpec | None,
) -> tuple[Frequencies, Frequencies]:
    """Before and after scaling and sections; without those where they depend on the length."""
    with within_float64():
        unscaled = scaled = rule.build()
        if unscaled.rotary_dim > head_dim:
            raise ArgumentError(
                f"rotary_dim must be at most head_dim {head_dim}, got {unscaled.rotary_dim}"
            )
        if not isinstance(scaling, LengthScaling):
            if sections is not None:
                scaled = sections.after(scaling)(unscaled)
            elif scaling is not None:
                scaled = scaling(unscaled)
    return unscaled, scaled


@final
class Rotary(PositionEncoding):
    r"""Rotary position embedding (RoPE): query and key turn with their positions.

    Pair $p$ of query and key is turned by $m\,\omega_p$, $\omega_p = b^{-2p/d}$, at position $m$;
    the product of a query and a key then depends on the distance of their positions alone, and no
    vector changes its length. Holds no parameter and no buffer: casting, moving, meta
    initialisation and checkpoints cannot reach its angles.

    Raises:
        ArgumentError: Odd or too large `rotary_dim`, unknown `layout` or `precision`, or
            `frequencies` together with `base` or `rotary_dim`.

    Source:
        Su et al. 2021, arXiv:2104.09864, section 3.2.

    Examples:
        >>> rotary = phasor.Rotary(64, base=500_000.0)
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> query, key = rotary.rotate(query, key, rotary(torch.arange(10)))
    """

    sites = frozenset({"query_key", "value"})
    spelling = "rotary"
    paper = "arXiv:2104.09864"
    formula = "pair p of q turns by m ωₚ, of k by n ωₚ,  ωₚ = base^(−2p/d)"

    @constructed_from(RotarySpec)
    def __init__(self, options: RotarySpec) -> None:
        super().__init__()
        scaling = options.scaling
        self.head_dim = options.head_dim
        self.layout: Layout = options.layout
        self.rotary_slice: RotarySlice = options.rotary_slice
        self.precision: Precision = options.precision
        self.length_scaling = scaling if isinstance(scaling, LengthScaling) else None
        self.seq_len: int | None = None
        # Its words alone: a function may be one that cannot be copied or stored.
        self.scaled_by = None if scaling is None else getattr(scaling, "__name__", repr(scaling))
        self.scaling = scaling if isinstance(scaling, tuple(BY_NAME.values())) else None
        self.unscaled = options.unscaled
        self.frequencies = options.scaled

    @staticmethod
    def from_config(config: Any, layer: int = 0, *, precision: Precision = "exact") -> "Rotary":
        """The rotation of one layer of a model of transformers.

        Args:
            config: Whatever `phasor.read` takes: a config dict with its `model_type`, a config
                object, a path, a live model.
            layer: Which one; they may differ.
            precision: See `phasor.cos_sin`.

        Raises:
            ArgumentError: No such layer, one that does not turn, or what `phasor.read` refuses.

        Examples:
            >>> config = {"model_type": "llama", "rope_theta": 500000.0, "head_dim": 64}
            >>> phasor.Rotary.from_config(config).frequencies.base
            500000.0
        """
        check_precision(precision)
        # Readers stand above encodings, and cost an import that a Rotary does not.
        spec = import_module("phasor._read").read(config)
        if not 0 <= layer < len(spec.layers):
            raise ArgumentError(
                f"layer must be from 0 to {len(spec.layers) - 1} for {spec.model}, got {layer}"
            )
        stated = spec.layers[layer].encodings
        found = [each for each in stated if isinstance(each, RotarySpec)]
        if len(found) != 1:
            names = " and ".join(each.encoding.__name__ for each in stated) or "no encoding at all"
            raise ArgumentError(
                f"layer {layer} of {spec.model} has no one rotary encoding but {names}; "
                f"phasor.read(config).layers[{layer}].build() makes what it has"
            )
        return found[0].build(precision=precision)

    def at(self, seq_len: int) -> "Rotary":
        """The same encoding, settled for sequences of up to `seq_len` tokens.

        Keys that were turned for another length do not fit: turn them over with `phasor.rerotate`.
        An encoding that does not depend on the length is returned as it is.
        """
        if self.length_scaling is None:
            return self
        settled = Rotary(
            self.head_dim,
            layout=self.layout,
            scaling=self.length_scaling.at(seq_len),
            frequencies=self.unscaled,
            rotary_slice=self.rotary_slice,
            precision=self.precision,
        )
        settled.seq_len = seq_len
        settled.scaled_by = self.scaled_by
        return settled

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Places:
        self._check(positions)
        operand = self.frequencies.operand(positions, self.precision)
        like = torch.empty(0, dtype=dtype, device=positions.device)
        if key_positions is None:
            return Places(positions, positions, operand, operand, like)
        self._check(key_positions)
        key_operand = self.frequencies.operand(key_positions, self.precision)
        return Places(positions, key_positions, operand, key_operand, like)

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Places
    ) -> tuple[Tensor, Tensor | None]:
        self._check_heads(query, prepared, "query")
        if self.frequencies.softmax_scale != 1.0:
            query = query * self.frequencies.softmax_scale
        if key is None or prepared.key is prepared.query:
            return self._turn(query, key, prepared.query, prepared.query_operand)
        query, _ = self._turn(query, None, prepared.query, prepared.query_operand)
        key, _ = self._turn(key, None, prepared.key, prepared.key_operand)
        return query, key

    def turn_values(self, value: Tensor, prepared: Places) -> Tensor:
        """Turn values `[batch, num_kv_heads, key_seq, head_dim]` as their keys turn."""
        self._check_heads(value, prepared, "value")
        return self._turn(value, None, prepared.key, prepared.key_operand)[0]

    def turn_back(self, out: Tensor, prepared: Places) -> Tensor:
        r"""Turn what attention made of turned values back, by the angles of the queries.

        A query at $m$ then gets $\sum_n a_n R_{n-m} v_n$: values too carry the distance alone. The
        gain on cos and sin is not undone but comes once more, as in DeepSeek-V4.

        Args:
            out: `[batch, num_heads, seq, head_dim]`.
            prepared: What `prepare` returned for the queries and keys of that attention.
        """
        self._check_heads(out, prepared, "output")
        return self._turn(out, None, prepared.query, prepared.query_operand, sign=-1)[0]

    def extra_repr(self) -> str:
        return (
            f"head_dim={self.head_dim}, base={self.frequencies.base}, "
            f"rotary_dim={self.frequencies.rotary_dim}, layout={self.layout!r}, "
            f"precision={self.precision!r}"
            + f", rotary_slice={self.rotary_slice!r}" * (self.rotary_slice != "leading")
            + f", scaling={self.scaled_by}" * (self.scaled_by is not None)
            + f", seq_len={self.seq_len}" * (self.seq_len is not None)
            + in_words(self.frequencies)
        )

    def _check_heads(self, x: Tensor, prepared: Places, what: str) -> None:
        if x.shape[-1] != self.head_dim:
            article = "an" if what == "output" else "a"
            raise ArgumentError(
                f"Rotary was built for head_dim {self.head_dim}, got {article} {what} of shape "
                f"{list(x.shape)}; build it with head_dim={x.shape[-1]}"
            )
        if x.dtype == torch.float64 != prepared.like.dtype:
            raise ArgumentTypeError(
                f"{what} is float64 but its angles were prepared in {prepared.like.dtype}; "
                "pass dtype=torch.float64 to prepare, or cast query and key to one dtype"
            )

    def _turn(
        self,
        query: Tensor,
        key: Tensor | None,
        positions: Tensor,
        operand: Tensor,
        *,
        sign: int = 1,
    ) -> tuple[Tensor, Tensor | None]:
        return turn(
            query,
            key,
            positions,
            operand,
            interleaved=self.layout == "interleaved",
            trailing=self.rotary_slice == "trailing",
            sign=sign,
            gain=self.frequencies.attention_scale,
            owner="Rotary",
        )

    def _check(self, positions: Tensor) -> None:
        check_positions(positions, axes=self.frequencies.axes, owner="Rotary")
        if self.length_scaling is not None:
            raise ArgumentError(
                f"{type(self.length_scaling).__name__} depends on the length of the sequence; "
                "settle it first: rotary.at(seq_len)"
            )
        if self.seq_len is not None:
            check_range(
                positions,
                self.seq_len,
                owner=f"Rotary, settled for {self.seq_len} tokens,",
                advice="settle it for more with at(seq_len), and turn cached keys over with "
                "phasor.rerotate",
            )
