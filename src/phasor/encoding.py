"""The contract: where position enters a Transformer, and which places an encoding uses."""

import copy
from collections.abc import Iterable
from typing import Any, Literal, Self, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from phasor._encoding_spec import EncodingSpec, options_of, with_arguments
from phasor._prepared import (
    OF_PREPARED,
    Asked,
    Prepared,
    called_as_module,
    check_part,
    takes_its_own,
)
from phasor._score_mod import ScoreMod as ScoreMod
from phasor._score_mod import check_sizes as check_sizes
from phasor.errors import SiteError

Site = Literal["embedding", "query_key", "score", "value"]

HOOKS: dict[Site, str] = {
    "embedding": "embed",
    "query_key": "rotate",
    "score": "score_mod",
    "value": "turn_values",
}
"""The method that serves each site."""

Content = Literal["query_key", "hidden"]
"""What an encoding may look at: a layer's query and key as projected, or what goes into it."""

_LOOKING: dict[Content, tuple[str, ...]] = {"query_key": ("look",), "hidden": ("observe", "look")}

Features: TypeAlias = Any
"""What `observe` makes of each token: a tensor `[batch, seq, ...]`, or of `Compose` a list."""


class PositionEncoding(nn.Module):
    r"""A position encoding: declares its sites and implements the hook of each, and nothing else.

    A model calls the encoding, `encoding(positions)`, once per forward pass, and each hook wherever
    its site is. It calls all hooks and knows no encoding by name: the hook of an undeclared site
    changes nothing.

    | site | hook | called with |
    |---|---|---|
    | `"embedding"` | `embed(x, prepared)` | token embeddings, before the first layer |
    | `"query_key"` | `rotate(query, key, prepared)` | each layer's query and key |
    | `"score"` | `score_mod(prepared)` | nothing; what it returns is applied to the scores |
    | `"value"` | `turn_values(value, prepared)` | each layer's values, if the model asks for it |

    What attention made of turned values may turn back: `turn_back(out, prepared)`.

    The call, and `observe` and `look`, touch parameters; the hooks do not. So whatever hangs on the
    call of a module (FSDP, offloading, checkpointing, hooks of your own) works on an encoding too,
    and sees these three calls.

    A subclass sets `sites` and `paper`, implements `prepare` and the hooks of its sites. Each hook
    is implemented once: a concrete one is never overridden again, so wrap instead of subclassing.

    What depends on content as well as on position says so in `looks_at`. In each layer, before
    its hooks, `look` then turns what was prepared into what the hooks of that layer use. What it
    needs of the layer's input comes from `observe`, token by token, so that a cache can keep it
    beside the keys.

    Raises:
        SiteError: When the class is made: a declared site without its hook, a hook without its
            site, an unknown site, or a hook that an ancestor has already made concrete.

    Examples:
        >>> class Typo(phasor.PositionEncoding):
        ...     sites = frozenset({"score"})
        ...     paper = "none"
        ...     def prepare(self, positions, *, key_positions=None, dtype=torch.float32): ...
        ...     def score_mode(self, prepared): ...
        Traceback (most recent call last):
        phasor.errors.SiteError: Typo declares site 'score' but has no score_mod(); implement it ...
    """

    sites: frozenset[Site]
    """Where position enters; of the class, or narrower, of the instance, which leaves `"value"`
    out: there it enters only if the model asks for it.
    """
    score_is_bias: bool = False
    """Whether `score_mod` adds what does not depend on the score. Fused attention can then take it
    as a mask; without this promise the score is computed first, which is right for every encoding.
    """
    score_needs_row: bool = False
    """Whether `score_mod` wants all scores of a query at once, of keys from the first one to the
    query at least and in order. FlexAttention, which shows one at a time, then refuses.
    """
    is_relative: bool = True
    """Whether `rotate` and `score_mod` see differences of positions alone. What is added to the
    embedding is absolute anyway. Nothing runs otherwise for it: it says what to expect of scores.
    """
    keeps_norm: bool = True
    """Whether `rotate` leaves each vector as long as it was; likewise."""
    looks_at: frozenset[Content] = frozenset()
    """What of a layer's content its hooks depend on: of the class, or narrower, of the instance."""
    each_layer: bool = False
    """Whether each layer of a model should have one of its own, because what it learns is of that
    layer. Nothing runs otherwise for it: who builds a model reads it.
    """
    integer_positions: bool = False
    """Whether positions are rows of a table, so that floats are refused."""
    Options: type[EncodingSpec[Any]] | None = None
    """The arguments of its constructor as data; see `constructed_from`."""
    options: EncodingSpec[Any] | None = None
    """Those that it was made with."""
    spelling: str | None = None
    """Its name on the command line and in JSON."""
    compared: bool = True
    """Whether a comparison of all encodings has it: not what goes beside another one, or needs more
    than a text model can tell it.
    """
    has_parts: bool = False
    """Whether `heads` can give some of its `num_heads`, because it takes `of_heads` of all numbers
    that it has for each.
    """
    first_head: int = 0
    """Of all heads of the parameters, which of them its own begin with."""
    is_part: bool = False
    """Whether it is of some heads of another one alone."""
    paper: str
    """Where the encoding was published, as a reader would look it up."""
    formula: str | None = None
    """What it does in a line of Unicode, for `phasor.explain`: a query is at $m$ and a key at $n$;
    letters that others do not share are explained after a semicolon.
    """

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = getattr(cls, "sites", None)
        if not isinstance(declared, frozenset):
            raise SiteError(
                f"{cls.__name__} must declare its sites: set sites = frozenset({{...}}) with any "
                f"of {list(HOOKS)}"
            )
        for site in sorted(declared - HOOKS.keys()):
            raise SiteError(
                f"{cls.__name__} declares unknown site {site!r}; the sites are {list(HOOKS)}"
            )
        for site, hook in HOOKS.items():
            makers = [base for base in cls.__mro__ if hook in base.__dict__]
            concrete = [base for base in makers if base is not PositionEncoding]
            if site in declared and not concrete:
                raise SiteError(
                    f"{cls.__name__} declares site {site!r} but has no {hook}(); implement it or "
                    "drop the site"
                )
            if concrete and site not in declared:
                raise SiteError(
                    f"{cls.__name__} has {hook}() but does not declare site {site!r}; add it to "
                    "sites or remove the method"
                )
            if len(concrete) > 1:
                raise SiteError(
                    f"{cls.__name__} overrides {hook}() of {concrete[1].__name__}; a concrete hook "
                    "is never overridden again: wrap the encoding, or derive from PositionEncoding"
                )
        for content, methods in _LOOKING.items():
            for method in methods if content in cls.looks_at else ():
                if getattr(cls, method) is getattr(PositionEncoding, method):
                    raise SiteError(
                        f"{cls.__name__} looks at {content!r} but has no {method}(); implement it"
                    )
        if not cls.looks_at:
            for method in {"look", "observe"} & cls.__dict__.keys():
                raise SiteError(
                    f"{cls.__name__} has {method}() but looks at nothing; set looks_at to "
                    f"frozenset({{...}}) with any of {list(_LOOKING)}"
                )
        if declared and cls.prepare is PositionEncoding.prepare:
            raise SiteError(f"{cls.__name__} has sites but no prepare(); implement it")
        if not abstract and not isinstance(getattr(cls, "paper", None), str):
            raise SiteError(
                f"{cls.__name__} must say where it was published: set paper = 'arXiv:...'"
            )
        for method, place in OF_PREPARED.items():
            if method in cls.__dict__:
                setattr(cls, method, takes_its_own(cls.__dict__[method], place))
        for method in {"look", "observe"} & cls.__dict__.keys():
            setattr(cls, method, called_as_module(cls.__dict__[method]))
        options = options_of(cls)
        if options is not None:
            cls.Options = options
            options.encoding = cls
            cls.__doc__ = with_arguments(cls.__doc__ or "", options)

    def __init__(self) -> None:
        super().__init__()
        self.sites = type(self).sites - {"value"}

    def forward(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Prepared:
        """What the hooks need; the arguments are those of `prepare`, which does it."""
        if isinstance(positions, Asked):  # for observe and look
            return positions.method(self, *positions.arguments, **positions.named)
        content = self.prepare(positions, key_positions=key_positions, dtype=dtype)
        return Prepared(self.in_words, self._let_go(content))

    def heads(self, start: int, stop: int) -> Self:
        """The encoding of the heads from `start` and before `stop`, with the numbers they have.

        For a rank of tensor parallelism, a model without some of its heads, or a kernel that takes
        a group of them. Shares the parameters: a view, not a copy.

        Args:
            start: The first head, of those that the encoding has numbers of: of the key or the
                query, as its `num_heads`.
            stop: The head after the last one.

        Returns:
            An encoding of `stop - start` heads; this one, if it has no numbers of single heads.

        Raises:
            ArgumentError: Heads that it does not have.
            NotImplementedError: What it knows of heads cannot be cut.
        """
        num_heads: int | None = getattr(self, "num_heads", None)
        if num_heads is None:
            return self
        check_part(start, stop, num_heads, owner=type(self).__name__)
        if not self.has_parts:
            raise NotImplementedError(
                f"{type(self).__name__} has no part for some of its heads; call it with all "
                f"{num_heads} heads, and keep heads {start} to {stop - 1} of what comes out"
            )
        view: Any = copy.copy(self)  # of the same parameters, whatever replaces them
        view.num_heads = stop - start
        view.first_head = self.first_head + start
        view.is_part = True
        return view

    def of_heads(self, numbers: Tensor, dim: int = 0) -> Tensor:
        """Those of all heads along `dim` of a parameter that are of this encoding's heads."""
        num_heads: Any = self.num_heads
        return numbers.narrow(dim, self.first_head, num_heads)

    @property
    def in_words(self) -> str:
        """Its name, and which heads of it this is."""
        num_heads = getattr(self, "num_heads", 0)
        return type(self).__name__ + (
            f".heads({self.first_head}, {self.first_head + num_heads})" if self.is_part else ""
        )

    def _let_go(self, content: Any) -> Any:
        """The same, with a copy of each parameter in it."""
        own = list(self.parameters())
        return tree_map_only(
            Tensor, lambda x: x.clone() if any(x is each for each in own) else x, content
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *more: Any, **named: Any
    ) -> None:
        """Load what was stored as one number without an axis into a parameter of shape `[1]`.

        Such parameters had no axis before; FSDP refuses those.
        """
        for name, parameter in self.named_parameters(recurse=False):
            stored = state_dict.get(prefix + name)
            if parameter.shape == (1,) and isinstance(stored, Tensor) and stored.ndim == 0:
                state_dict[prefix + name] = stored.unsqueeze(0)
        super()._load_from_state_dict(state_dict, prefix, *more, **named)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Any:
        """Do once per forward pass what does not depend on the layer.

        Args:
            positions: `[seq]` or `[batch, seq]`, integers or floats; a last axis for several axes.
            key_positions: Of the keys, where they differ from those of the queries; with a cache
                of rotated keys, prepare twice: without it for `rotate`, with it for `score_mod`.
            dtype: Of the activations. Tables are made in float32, or in float64 for float64.

        Returns:
            Whatever this encoding's hooks need, made of tensors in tuples, lists and dicts: what
            depends on parameters too, since no hook touches those. The model calls the encoding,
            not this, and passes on what that returns.

        Raises:
            ArgumentError: Positions of a wrong shape or dtype, or that the encoding lacks.
        """
        return None

    def observe(self, hidden: Tensor) -> Features:
        """What each token of a layer's input `hidden` `[batch, seq, dim]` is remembered by.

        Returns:
            `[batch, seq, ...]`, each token's own: those of new tokens are appended to those of
            earlier ones as keys are. `None` for an encoding that does not look at `"hidden"`.
        """
        return None

    def look(self, prepared: Any, query: Tensor, key: Tensor, features: Features = None) -> Any:
        """Make what was prepared into what this layer's hooks use, before any of them is called.

        Args:
            prepared: For queries and for all keys.
            query: `[batch, num_heads, seq, head_dim]`, as projected, not yet rotated.
            key: `[batch, num_kv_heads, key_seq, head_dim]`, likewise, of all keys.
            features: What `observe` made, of all keys; the queries are the last `seq` of them.
        """
        return prepared

    def embed(self, x: Tensor, prepared: Any) -> Tensor:
        """Add position to the embeddings `x` `[batch, seq, dim]`; same shape and dtype."""
        return x

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Put position into query `[batch, num_heads, seq, head_dim]` and key (or `None`)."""
        return query, key

    def score_mod(self, prepared: Any) -> ScoreMod | None:
        """What is done to each attention score; `None` leaves the scores alone."""
        return None

    @property
    def turns_values(self) -> bool:
        """Whether it can enter at the value, if `attention(values=...)` asks for it."""
        return "value" in type(self).sites

    def turn_values(self, value: Tensor, prepared: Any) -> Tensor:
        """Turn values `[batch, num_kv_heads, key_seq, head_dim]` as their keys turn."""
        return value

    def turn_back(self, out: Tensor, prepared: Any) -> Tensor:
        """Turn what attention made of turned values, `[batch, num_heads, seq, head_dim]`, back."""
        return out

    def extra_repr(self) -> str:
        given = "" if self.options is None else self.options.given()
        stop = self.first_head + getattr(self, "num_heads", 0)
        part = f"heads {self.first_head} to {stop - 1} of them" * self.is_part
        return ", ".join(filter(None, (given, part)))


@final
class NoPE(PositionEncoding):
    """No encoding: order enters through the causal mask alone, and only after one layer.

    Source:
        Haviv et al. 2022, arXiv:2203.16634; Kazemnejad et al. 2023, arXiv:2305.19466.
    """

    sites = frozenset()
    spelling = "none"
    paper = "arXiv:2305.19466"
    formula = "score = q·k / √d, whatever m and n are"


def require_sites(encoding: PositionEncoding, offered: Iterable[Site], *, model: str) -> None:
    """Refuse an encoding that needs a site which the model does not have.

    Call it where the model is built: a missing hook would otherwise turn ALiBi into no encoding at
    all, in silence.

    Args:
        encoding: What the model was given.
        offered: The sites whose hooks the model calls.
        model: Its name, for the message.

    Raises:
        SiteError: `encoding` has a site that is not among `offered`, or one of those does not
            exist.
    """
    for site in sorted(frozenset(offered) - HOOKS.keys()):
        raise SiteError(f"{model} offers unknown site {site!r}; the sites are {list(HOOKS)}")
    missing = sorted(encoding.sites - frozenset(offered))
    if missing:
        hooks = " and ".join(f"{HOOKS[site]}()" for site in missing)
        raise SiteError(
            f"{type(encoding).__name__} needs site {', '.join(map(repr, missing))}, which {model} "
            f"does not offer; call its {hooks} there, or choose an encoding with other sites"
        )
