"""Writes the extended checkpoint, so that it appears whole or not at all, and reads it back."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from phasor.errors import ArgumentError
from phasor.extension.install import installed
from phasor.extension.methods import Candidate
from phasor.extension.source import Subject

_CHECKED_TOKENS = 64


def write_checkpoint(subject: Subject, candidate: Candidate, folder: Path) -> dict[str, str]:
    """Write the model with `candidate`'s frequencies in its config into `folder`.

    Weights are those of `subject`, unchanged. The config says the same to transformers 5
    (`rope_parameters`) and to transformers 4, vLLM and llama.cpp (`rope_theta`, `rope_scaling`).
    What was written is then loaded by stock transformers, and gives the logits that were measured.

    Args:
        subject: The model.
        candidate: What to write.
        folder: From `appearing`.

    Returns:
        Each field of the config that differs, and why.

    Raises:
        ArgumentError: What was written does not give the logits that were measured.
    """
    model = subject.model
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    reasons = _rewrite(config, candidate)
    fresh = type(model)(type(model.config).from_dict(config))
    fresh.load_state_dict(model.state_dict())
    # Back to the type on disk, where that loses nothing: weights that were trained since may.
    weights = fresh.state_dict().values()
    if all(torch.equal(weight.to(subject.stored).to(weight), weight) for weight in weights):
        fresh = fresh.to(subject.stored)
    fresh.save_pretrained(folder)
    subject.tokenizer.save_pretrained(folder)
    # Both spellings, whatever the version of transformers that wrote the file.
    written = json.loads((folder / "config.json").read_text())
    reasons |= _legacy(written)
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    _verify(subject, candidate, folder)
    return reasons


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, which becomes it if all goes well.

    Raises:
        ArgumentError: `folder` exists, or the disk refuses.
    """
    if folder.exists():
        raise ArgumentError(f"{folder} exists already; choose another folder with --out")
    draft = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        draft.rename(folder)
    except OSError as error:
        raise ArgumentError(
            f"cannot write {folder}: {error.strerror or error}; nothing was left there"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rewrite(config: dict[str, Any], candidate: Candidate) -> dict[str, str]:
    reasons = {}
    if config.get("rope_parameters") != dict(candidate.rope_parameters):
        reasons["rope_parameters"] = f"{candidate.name}: {candidate.why} (transformers 5)"
    config["rope_parameters"] = dict(candidate.rope_parameters)
    if config.get("max_position_embeddings") != candidate.max_seq_len:
        reasons["max_position_embeddings"] = (
            "the longest sequence, from which engines size their caches"
        )
    config["max_position_embeddings"] = candidate.max_seq_len
    return reasons


def _legacy(config: dict[str, Any]) -> dict[str, str]:
    parameters = dict(config["rope_parameters"])
    config["rope_theta"] = parameters.pop("rope_theta")
    reasons = {"rope_theta": "the base, where transformers 4, vLLM and llama.cpp look for it"}
    parameters.pop("partial_rotary_factor", None)
    if parameters.get("rope_type", "default") != "default":
        config["rope_scaling"] = parameters
        reasons["rope_scaling"] = "the same as rope_parameters, for transformers 4, vLLM, llama.cpp"
    else:
        # One of the model before would win over rope_parameters.
        config.pop("rope_scaling", None)
    return reasons


def _verify(subject: Subject, candidate: Candidate, folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    written = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    vocabulary = subject.model.config.get_text_config().vocab_size
    tokens = torch.arange(_CHECKED_TOKENS)[None] * 7 % vocabulary
    frequencies = candidate.frequencies(subject.situation.frequencies, _CHECKED_TOKENS)
    with torch.no_grad():
        with installed(subject.rotary, frequencies):
            wanted = subject.model(tokens.to(subject.model.device)).logits.cpu()
        found = written.eval()(tokens).logits
    error = (found - wanted).abs().max().item()
    if not error <= 1e-3 * wanted.abs().max().item():
        raise ArgumentError(
            f"what was written to {folder} gives other logits than were measured (by {error:.2g}), "
            "so it was taken back; please report this"
        )
