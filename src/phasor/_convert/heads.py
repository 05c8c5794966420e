"""How the rows of a model's projections are cut into heads, from its configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasor._convert.families import (
    BY_MODEL_TYPE,
    META,
    NOT_CONVERTED,
    PAIR_LAYOUTS,
    Family,
)
from phasor._convert.families import PairLayout as PairLayout
from phasor._convert.json_file import number, whole_number
from phasor.errors import ArgumentError, unknown_name
from phasor.rotary.layout import RotarySlice

# The key that marks a configuration whose weights are in another layout than its code expects.
MARK = "phasor"
_MARKED_TYPE = "model_type"
_QUARTERS = 4


@dataclass(frozen=True)
class Heads:
    """Heads of a model, and how they turn.

    Args:
        family: Its names.
        layout: Of the weights as they are.
        num_heads: Heads of the query.
        num_kv_heads: Heads of key and value, where the configuration says.
        head_dim: Channels of each, where the configuration says or the width implies.
        rotary_dim: Channels of each head that turn; all if `None`.
        stacked: Whether a projection of query, key and value has all queries first.
    """

    family: Family
    layout: PairLayout
    num_heads: int
    num_kv_heads: int | None
    head_dim: int
    rotary_dim: int | None
    stacked: bool

    @property
    def rotary_slice(self) -> RotarySlice:
        """Where in a head they are."""
        return "trailing" if self.family.trailing else "leading"


def heads_of_config(config: dict[str, Any], where: Path, *, guess_family: bool = False) -> Heads:
    """Read `config.json`.

    Args:
        config: What is in it.
        where: The file, for errors.
        guess_family: Take an unknown architecture for a LLaMA, whose names most models have.
    """
    mark = _mark(config, where)
    model_type = mark.get(_MARKED_TYPE, config.get("model_type"))
    if not isinstance(model_type, str):
        raise ArgumentError(f"{where} has no model_type; it names the architecture, as in 'llama'")
    family = BY_MODEL_TYPE.get(model_type)
    if family is None:
        if not guess_family:
            _refuse_known(config, where, model_type)
            raise unknown_name(
                f"phasor does not know how the weights of {where} are laid out: no architecture",
                model_type,
                sorted(BY_MODEL_TYPE),
            )
        family = BY_MODEL_TYPE["llama"]
    num_heads = whole_number(config, "num_attention_heads", "n_head", where=where)
    width = whole_number(config, "hidden_size", "n_embd", where=where)
    head_dim = whole_number(config, "head_dim", where=where)
    if family.trailing:
        head_dim = sum(_parts(config, where))
    if num_heads is None or (head_dim is None and width is None):
        raise ArgumentError(
            f"{where} must say num_attention_heads, and hidden_size or head_dim; without them the "
            "rows of a projection cannot be cut into heads"
        )
    head_dim = head_dim or (width or 0) // num_heads
    if head_dim % 2 and not family.partial:
        raise ArgumentError(f"{where} says heads of {head_dim} channels, which do not pair")
    names = ("num_key_value_heads", "num_kv_heads", "n_head_kv")
    num_kv_heads = whole_number(config, *names, where=where)
    stacked = model_type == "phi3"
    if model_type == "codegen" and num_heads % _QUARTERS:
        raise ArgumentError(
            f"{where} says {num_heads} heads, which CodeGen cannot have: its projections hold a "
            "quarter of them at a time"
        )
    if model_type == "falcon":
        if config.get("alibi"):
            raise ArgumentError(f"{where} has alibi: true; nothing turns, so no layout is there")
        if not config.get("new_decoder_architecture"):
            stacked = bool(config.get("multi_query", True))
            num_kv_heads = 1 if stacked else num_heads
    return Heads(
        family=family,
        layout=layout_of(config, where, family),
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        rotary_dim=_rotary_dim(config, where, family, model_type, head_dim),
        stacked=stacked,
    )


def _refuse_known(config: dict[str, Any], where: Path, model_type: str) -> None:
    """Say why an architecture that is known is not converted."""
    inside = [key for key in config if key.endswith("_config") and isinstance(config[key], dict)]
    if "text_config" in inside and len(inside) > 1:
        raise ArgumentError(
            f"{where} describes several models ({', '.join(inside)}), and phasor converts models "
            "of text alone: save the part that text_config describes by itself, and convert that"
        )
    if model_type in NOT_CONVERTED:
        raise ArgumentError(
            f"{where} is of {model_type}, which phasor does not convert: "
            f"{NOT_CONVERTED[model_type]}"
        )


def layout_of(config: dict[str, Any], where: Path, family: Family) -> PairLayout:
    """Layout of the weights: what the mark says, or else what the code of the family expects."""
    given = _mark(config, where).get("layout", family.layout)
    for layout in PAIR_LAYOUTS:
        if layout == given:
            return layout
    raise unknown_name(f"{MARK}.layout in {where}: no layout", str(given), list(PAIR_LAYOUTS))


def _mark(config: dict[str, Any], where: Path) -> dict[str, Any]:
    mark = config.get(MARK, {})
    if not isinstance(mark, dict):
        raise ArgumentError(f"{MARK} in {where} must be an object, got {mark!r}")
    return mark


def heads_of_params(params: dict[str, Any], where: Path) -> Heads:
    """Read Meta's `params.json`, in which Mistral states `head_dim`."""
    num_heads = whole_number(params, "n_heads", where=where)
    width = whole_number(params, "dim", where=where)
    head_dim = whole_number(params, "head_dim", where=where)
    if num_heads is None or width is None or (head_dim is None and width % num_heads):
        raise ArgumentError(f"{where} must say dim and n_heads, which divides it, or head_dim too")
    head_dim = head_dim or width // num_heads
    if head_dim % 2:
        raise ArgumentError(f"{where} says heads of {head_dim} channels, which do not pair")
    return Heads(
        family=META,
        layout=META.layout,
        num_heads=num_heads,
        num_kv_heads=whole_number(params, "n_kv_heads", where=where) or num_heads,
        head_dim=head_dim,
        rotary_dim=None,
        stacked=False,
    )


def _parts(config: dict[str, Any], where: Path) -> tuple[int, int]:
    """Channels of each head that do not turn, and those that do, where it is made of both."""
    still = whole_number(config, "qk_nope_head_dim", where=where)
    turning = whole_number(config, "qk_rope_head_dim", where=where)
    if still is None or turning is None or turning % 2:
        raise ArgumentError(
            f"{where} must say qk_nope_head_dim and qk_rope_head_dim, of which the second is even"
        )
    return still, turning


def _rotary_dim(
    config: dict[str, Any], where: Path, family: Family, model_type: str, head_dim: int
) -> int | None:
    """Channels of each head that turn, or `None` for all of them."""
    if family.trailing:
        return _parts(config, where)[1]
    if model_type in ("gptj", "codegen"):
        given = whole_number(config, "rotary_dim", where=where)
        if given is None or given > head_dim or given % 2:
            raise ArgumentError(
                f"rotary_dim in {where} must be even and at most {head_dim}, got {given}"
            )
        return given
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise ArgumentError(f"rope_parameters in {where} must be an object, got {rope!r}")
    names = ("partial_rotary_factor", "rotary_pct")
    share = number(rope, *names, where=where) or number(config, *names, where=where)
    if share is None:
        if family.partial and model_type != "phi3":
            raise ArgumentError(
                f"{where} must say partial_rotary_factor: how much of each head turns"
            )
        return None
    if share == 1:
        return None
    if not family.partial or share > 1 or int(head_dim * share) < 2 or int(head_dim * share) % 2:
        raise ArgumentError(
            f"partial_rotary_factor {share:g} in {where} does not fit {model_type} with heads of "
            f"{head_dim} channels"
        )
    return int(head_dim * share)


def marked(config: dict[str, Any], layout: PairLayout) -> dict[str, Any]:
    """The configuration for weights in `layout`.

    Code that reads `model_type` and turns another layout would compute nonsense without an error.
    So the type gets a name that such code does not know, and the old one moves to the mark. A
    layout that the code does expect gives the old configuration back.
    """
    mark = config.get(MARK, {})
    plain = {key: value for key, value in config.items() if key != MARK}
    plain |= {key: mark[key] for key in (_MARKED_TYPE, "architectures") if key in mark}
    family = BY_MODEL_TYPE[plain[_MARKED_TYPE]]
    if family.layout == layout:
        return plain
    old = {key: plain.pop(key) for key in (_MARKED_TYPE, "architectures") if key in plain}
    return {_MARKED_TYPE: f"{old[_MARKED_TYPE]}-{layout}", **plain, MARK: {"layout": layout, **old}}
