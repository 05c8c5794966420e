"""Configs of transformers: its own class standardises what a file says."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

from phasor._read.notes import Notes
from phasor._read.plain import DEFAULTS, plain_config


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
        unknown = f"model_type {model_type!r} is unknown to the installed transformers"
        likely = _type_of_its_class(config)
        if likely is None:
            raise notes.wrong(f"{unknown}; its code is not run, whatever auto_map says")
        notes.doubt(f"{unknown}, which has its class {config['architectures'][0]} for {likely}")
        model_type, config = likely, {**config, "model_type": likely}
    try:
        with _quiet():
            return CONFIG_MAPPING[model_type].from_dict(copy.deepcopy(config))
    except Exception as error:
        # Config classes fail in any way that a wrong value makes Python fail.
        reason = " ".join(str(error).split())
        raise notes.wrong(
            f"transformers refuses it as a config of {model_type}: {type(error).__name__}: {reason}"
        ) from None


def as_built(config: Any) -> Any:
    """A copy of a config as it is once a model was built from it.

    Each rule for frequencies standardises the parameters once more, when all of the config is
    there: only then does an original length beside them replace the one among them.
    """
    config = copy.deepcopy(config)
    parts = (getattr(config, name, None) for name in getattr(type(config), "sub_configs", {}))
    for part in (config, *parts):
        if hasattr(part, "standardize_rope_params"):
            # Without a length, say; those who need it fail, and others never ask.
            with _quiet(), suppress(AttributeError):
                part.standardize_rope_params()
    return config


def names_of(config: Any) -> set[str]:
    """Names that a config class documents: its fields, and what it maps to others."""
    if isinstance(config, SimpleNamespace):  # without transformers
        return set(DEFAULTS[config.model_type])
    fields = getattr(type(config), "__dataclass_fields__", {})
    return set(fields) | set(getattr(type(config), "attribute_map", {}))


def _type_of_its_class(config: dict[str, Any]) -> str | None:
    """The `model_type` of the class that `architectures` names (Kimi K2: that of DeepSeek-V3)."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    named = config.get("architectures")
    first = named[0] if isinstance(named, list) and named else None
    found = (kind for kind, name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items() if name == first)
    return next(found, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """What transformers logs about keys is said by the reader, with the file's name."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
