"""Configs of transformers: its own class standardises what a file says."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from phasor.checkpoints.notes import Notes
from phasor.checkpoints.plain import plain_config


def standardise(config: dict[str, Any], notes: Notes) -> Any:
    """The config object that transformers makes of a dict. No code of the checkpoint is run.

    Without transformers, `plain_config` makes one of the same fields, for a few architectures.

    Raises:
        ArgumentError: No or an unknown `model_type`, values that transformers refuses, or
            transformers is needed and not installed.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise notes.wrong(f"model_type must name the architecture, got {model_type!r}")
    try:
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    except ImportError:
        return plain_config(config, notes)
    if model_type not in CONFIG_MAPPING:
        raise notes.wrong(
            f"model_type {model_type!r} is unknown to the installed transformers; its code is not "
            "run, whatever auto_map says"
        )
    try:
        with _quiet():
            return CONFIG_MAPPING[model_type].from_dict(copy.deepcopy(config))
    except Exception as error:
        # Config classes fail in any way that a wrong value makes Python fail.
        reason = " ".join(str(error).split())
        raise notes.wrong(
            f"transformers refuses it as a config of {model_type}: {type(error).__name__}: {reason}"
        ) from None


def names_of(config: Any) -> set[str]:
    """Names that a config class documents: its fields, and what it maps to others."""
    fields = getattr(type(config), "__dataclass_fields__", {})
    return set(fields) | set(getattr(type(config), "attribute_map", {}))


@contextmanager
def _quiet() -> Iterator[None]:
    """What transformers logs about keys is said by the reader, with the file's name."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
