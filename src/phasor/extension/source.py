"""Loads what is to be extended: a folder of transformers, or a GGUF file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from phasor.errors import ArgumentError
from phasor.extension.methods import Situation
from phasor.rotary import geometric


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A checkpoint, loaded and understood.

    Args:
        path: Where it is.
        model: Of transformers, in float32, to be evaluated and not trained.
        tokenizer: Of transformers.
        rotary: Its modules that hold frequencies.
        situation: What methods need to know of it.
        stored: The type that its config gives for the weights on disk.
    """

    path: Path
    model: Any
    tokenizer: Any
    rotary: tuple[nn.Module, ...]
    situation: Situation
    stored: torch.dtype = torch.float32


def load(path: Path, *, target_length: int, device: str = "cpu") -> Subject:
    """Load the checkpoint at `path`.

    Args:
        path: A folder with `config.json`, safetensors and a tokenizer, or a GGUF file.
        target_length: Tokens that are wanted; more than the model has.
        device: Where to put the model.

    Raises:
        ArgumentError: Nothing there, a part of it missing or damaged, no rotation to extend, or a
            target within the length that it has.
    """
    model, tokenizer, stored = _pretrained(path)
    if model.config.get_text_config() is not model.config:
        raise ArgumentError(f"{path} is more than a model of text; those alone can be extended")
    model = model.to(device).eval().requires_grad_(False)
    frequencies, scaling, trained = _rotation(model, path)
    if trained is None:
        raise ArgumentError(
            f"{path} does not say for how many tokens the model was trained: its config has no "
            "max_position_embeddings; add it"
        )
    if target_length <= trained:
        raise ArgumentError(
            f"--to must be more than the {trained:,} tokens that {path} was trained for, got "
            f"{target_length:,}"
        )
    rotary = rotary_modules(model)
    if len(rotary) != 1:
        raise ArgumentError(
            f"{path} has {len(rotary)} modules that hold frequencies; one that all layers share "
            "can be extended so far"
        )
    situation = Situation(
        frequencies=frequencies,
        scaling=scaling,
        rope_parameters=dict(model.config.rope_parameters),
        trained_length=trained,
        target_length=target_length,
    )
    return Subject(
        path=path, model=model, tokenizer=tokenizer, rotary=rotary, situation=situation,
        stored=stored,
    )  # fmt: skip


def rotary_modules(model: nn.Module) -> tuple[nn.Module, ...]:
    """The modules of `model` that hold frequencies."""
    return tuple(
        module
        for module in model.modules()
        if hasattr(module, "inv_freq") and hasattr(module, "attention_scaling")
    )


def _rotation(model: Any, path: Path) -> tuple[Any, Any, int | None]:
    """Unscaled frequencies and scaling that all rotary layers share, and the trained length."""
    from phasor.checkpoints import read
    from phasor.inspection.rotation import trained_length
    from phasor.spec import RotarySpec

    found = {
        (spec.frequencies, spec.scaling): spec
        for layer in read(model.config).layers
        for spec in layer.encodings
        if isinstance(spec, RotarySpec)
    }
    if not found:
        raise ArgumentError(
            f"{path} has no rotary layer whose frequencies could be stretched; for a learned table "
            "see phasor.Learned.interpolate"
        )
    if len(found) > 1:
        raise ArgumentError(
            f"the layers of {path} turn at {len(found)} different paces; models with one pace for "
            "all layers can be extended so far"
        )
    (((frequencies, scaling), spec),) = found.items()
    built = frequencies.build()
    if built.axes != 1:
        raise ArgumentError(f"{path} turns along {built.axes} axes; one can be extended so far")
    if built.base is None or built != geometric(built.rotary_dim, built.base):
        raise ArgumentError(
            f"the pairs of {path} do not turn by a base alone; those that do can be extended so far"
        )
    longest = getattr(model.config, "max_position_embeddings", None)
    return built, scaling, trained_length(spec, longest)[0]


def _pretrained(path: Path) -> tuple[Any, Any, torch.dtype]:
    if not path.exists():
        raise ArgumentError(f"there is nothing at {path}; pass a checkpoint folder or a GGUF file")
    try:
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError:
        raise ArgumentError(
            "running a model needs transformers; pip install 'phasor[hub]'"
        ) from None
    where: tuple[Path, dict[str, Any]] = (path, {})
    if path.is_file():
        where = (path.parent, {"gguf_file": path.name})
    elif not (path / "config.json").exists():
        raise ArgumentError(f"there is no config.json in {path}; pass a checkpoint folder")
    logging.disable_progress_bar()
    folder, options = where
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **options
        )
    except Exception as error:
        raise ArgumentError(
            f"cannot read a tokenizer from {path}: {_first_line(error)}; the loss of text needs one"
        ) from error
    try:
        stored = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **options
        ).dtype
        model, loaded = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False,
            output_loading_info=True, **options,
        )  # fmt: skip
    except Exception as error:
        raise ArgumentError(f"cannot load the model of {path}: {_first_line(error)}") from error
    if missing := sorted(loaded["missing_keys"]):
        raise ArgumentError(
            f"{path} lacks {len(missing)} weights of its model, {missing[0]} first; pass a whole "
            "checkpoint of a causal language model"
        )
    return model, tokenizer, stored if isinstance(stored, torch.dtype) else torch.float32


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
