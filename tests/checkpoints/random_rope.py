"""Configs as somebody might publish them: small sizes, and rope parameters of any kind anywhere."""

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkpoints.tiny import Subject

LENGTHS = (32, 64, 128, 256)
BASES = (10, 100.0, 10_000, 10_000.0, 500_000.0, 1e6, 1e7)
SHARES = (0.25, 0.5, 0.75, 1.0, 0.3, 1)
TYPES = ("default", "linear", "dynamic", "yarn", "longrope", "llama3", "proportional")


@dataclass(frozen=True)
class _Kind:
    """What matters of a model for what may be drawn.

    `shares`: its code reads `partial_rotary_factor`; `gains`: it needs `short_mscale`; `older`:
    what it also calls some types.
    """

    head_dim: int
    shares: bool
    gains: bool
    older: Mapping[str, str]


def draw_config(subject: Subject, seed: int) -> dict[str, Any]:
    """A config of the class of `subject`, as its file would hold it."""
    chance = random.Random(f"{subject.name} {seed}")
    config = {"model_type": subject.config_class.model_type, **copy.deepcopy(subject.arguments())}
    made = subject.config_class(**copy.deepcopy(subject.arguments()))
    own = getattr(made, "rope_parameters", None) or {}
    _draw_sizes(config, chance, axes="mrope_section" in str(own))
    heads = (config.get("hidden_size") or 128) // (config.get("num_attention_heads") or 4)
    turning = "qk_rope_head_dim" if "kv_lora_rank" in config else "head_dim"
    kind = _Kind(
        head_dim=config.get(turning) or heads,
        shares="partial_rotary_factor" in str(own),
        gains=config["model_type"] == "phimoe",
        older={
            **({"longrope": "su"} if config["model_type"].startswith("phi") else {}),
            **({"default": "mrope"} if config["model_type"].startswith("qwen2") else {}),
        },
    )
    labels = [name for name, value in own.items() if value is None or isinstance(value, Mapping)]
    if labels and chance.random() < 0.9:
        drawn: dict[str, Any] = {}
        for name in labels:
            drawn[name] = _kept(own[name]) | _draw(chance, kind)
        if chance.random() < 0.15:
            drawn[chance.choice(labels)] = None
    else:
        drawn = ({} if labels else _kept(own)) | _draw(chance, kind)
    _place(config, drawn, chance, shares=kind.shares, by_type=bool(labels))
    return config


def _draw_sizes(config: dict[str, Any], chance: random.Random, *, axes: bool) -> None:
    if "max_position_embeddings" in config:
        config["max_position_embeddings"] = chance.choice(LENGTHS)
    if "head_dim" in config and "kv_lora_rank" not in config and not axes and chance.random() < 0.4:
        config["head_dim"] = chance.choice((16, 24, 48, 64))
    if "rotary_dim" in config:
        config["rotary_dim"] = chance.choice((8, 16))


def _kept(own: Mapping[str, Any] | None) -> dict[str, Any]:
    """What axes need."""
    return {
        name: copy.deepcopy(value)
        for name, value in (own or {}).items()
        if name.startswith("mrope")
    }


def _draw(chance: random.Random, model: _Kind) -> dict[str, Any]:
    kind = chance.choice(TYPES)
    drawn: dict[str, Any] = {}
    name = chance.choice(("rope_type", "rope_type", "type"))
    if kind != "default" or chance.random() < 0.7:
        drawn[name] = model.older.get(kind, kind) if chance.random() < 0.3 else kind
    if chance.random() < 0.6:
        drawn["rope_theta"] = chance.choice(BASES)
    share = 1.0
    if chance.random() < (0.6 if model.shares else 0.04):
        share = drawn["partial_rotary_factor"] = chance.choice(SHARES)
    if kind == "default":
        return drawn
    if chance.random() < 0.95:
        drawn["factor"] = chance.choice((1.0, 2, 4.0, 8, 2.5, 32.0))
    if kind in ("yarn", "longrope", "llama3") and chance.random() < 0.7:
        drawn["original_max_position_embeddings"] = chance.choice(LENGTHS)
    if kind in ("yarn", "longrope"):
        _some(drawn, chance, {"attention_factor": (None, 1.0, 1.25, 0.8, 1)}, 0.3)
    if kind == "yarn":
        choices = {
            "beta_fast": (32, 32.0, 1, 1.0, 4, None),
            "beta_slow": (1, 1.0, 2, 0.5, None),
            "mscale": (1.0, 0.7, 0, 1),
            "mscale_all_dim": (1.0, 0.5, 0, 1),
            "truncate": (True, False),
        }
        _some(drawn, chance, choices, 0.35)
    if kind == "llama3":
        low = chance.choice((1.0, 1, 2.0))
        drawn |= {"low_freq_factor": low, "high_freq_factor": chance.choice((low + 1, 4.0, 8))}
    if kind == "longrope":
        pairs = max(1, int(model.head_dim * share) // 2)
        for each in ("short_factor", "long_factor"):
            drawn[each] = [round(chance.uniform(1, 8), 2) for _ in range(pairs)]
        if model.gains:
            drawn |= {"short_mscale": 1.1, "long_mscale": chance.choice((1.1, 1.3))}
    return drawn


def _some(
    drawn: dict[str, Any],
    chance: random.Random,
    choices: dict[str, tuple[Any, ...]],
    often: float,
) -> None:
    for name, values in choices.items():
        if chance.random() < often:
            drawn[name] = chance.choice(values)


def _place(
    config: dict[str, Any],
    drawn: dict[str, Any],
    chance: random.Random,
    *,
    shares: bool,
    by_type: bool,
) -> None:
    """Into the names of version 4 or of version 5, with some beside them and some twice."""
    config.pop("rope_parameters", None)
    config[chance.choice(("rope_parameters", "rope_parameters", "rope_scaling"))] = drawn
    beside = {
        "rope_theta": BASES,
        "original_max_position_embeddings": LENGTHS,
    }
    for name, values in beside.items():
        if chance.random() < 0.25:
            config[name] = chance.choice(values)
    if shares and chance.random() < 0.3:
        config["partial_rotary_factor"] = chance.choice(SHARES)
    if not by_type and chance.random() < 0.3 and "rope_theta" in drawn:
        config["rope_theta"] = drawn.pop("rope_theta")
