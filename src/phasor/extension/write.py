"""Writes the extended checkpoint, so that it appears whole or not at all, and reads it back."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.extension.companions import copy_companions
from phasor.extension.subject import Candidate, Subject
from phasor.extension.weights import copy_weights, files_of, save_weights

_CHECKED_TOKENS = 64


def write_checkpoint(subject: Subject, candidate: Candidate, folder: Path) -> dict[str, str]:
    """Write the model with `candidate` in its config into `folder`.

    Weights are those of `subject`, but for a table that `candidate` changes; from a folder they are
    copied file by file. What was written is then loaded by stock transformers, and gives the
    logits that were measured (of a model without them: its vectors of tokens).

    Args:
        subject: The model.
        candidate: What to write.
        folder: From `appearing`.

    Returns:
        Each field of the config that differs, and why.

    Raises:
        ArgumentError: What was written does not give the logits that were measured.
        OSError: The disk refuses.
    """
    config = _config(subject)
    if subject.on_disk and files_of(subject.path) and "quantization_config" not in config:
        changed = subject.changed(candidate)
        copy_weights(subject.path, folder, changed, subject.trained_length)
    else:
        with subject.running(candidate, _CHECKED_TOKENS) as model:
            stored = save_weights(model, folder, subject.stored)
        config.pop("quantization_config", None)
        config.pop("torch_dtype", None)
        config["dtype"] = str(stored).removeprefix("torch.")
    reasons = candidate.configure(config)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if subject.model.can_generate():
        subject.model.generation_config.save_pretrained(folder)
    subject.tokenizer.save_pretrained(folder)
    reasons |= _lengthen(folder / "tokenizer_config.json", candidate.max_seq_len)
    reasons |= copy_companions(subject.path, folder, candidate.max_seq_len)
    _verify(subject, candidate, folder)
    return reasons


@contextmanager
def appearing(folder: Path, *, advice: str = "make room") -> Iterator[Path]:
    """A temporary folder beside `folder`, which becomes it if all goes well.

    Args:
        folder: Must not exist.
        advice: What to do where the disk refuses.

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
            f"cannot write {folder}: {error.strerror or error}; nothing was left there: {advice}"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _config(subject: Subject) -> dict[str, Any]:
    """As it is on disk; of a GGUF file, what transformers makes of it."""
    if subject.path.is_dir():
        return json.loads((subject.path / "config.json").read_text())
    config = json.loads(subject.model.config.to_json_string())
    return config | {"architectures": [type(subject.model).__name__]}


def _lengthen(file: Path, length: int) -> dict[str, str]:
    """Let a tokenizer whose texts end where the table did go on to `length`."""
    config = json.loads(file.read_text())
    if config.get("model_max_length", length) >= length:
        return {}
    config["model_max_length"] = length
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    return {"model_max_length": "of the tokenizer, which cuts texts there"}


def _verify(subject: Subject, candidate: Candidate, folder: Path) -> None:
    from transformers import AutoModel, AutoModelForCausalLM

    causal = subject.model.can_generate()
    written: Any = (AutoModelForCausalLM if causal else AutoModel).from_pretrained(
        folder, dtype=torch.float32
    )
    vocabulary = subject.model.config.get_text_config().vocab_size
    tokens = torch.arange(_CHECKED_TOKENS)[None] * 7 % vocabulary
    with torch.no_grad():
        with subject.running(candidate, _CHECKED_TOKENS) as model:
            wanted = _numbers(model(tokens.to(model.device))).cpu()
        found = _numbers(written.eval()(tokens))
    error = (found - wanted).abs().max().item()
    same = all(
        torch.equal(written.get_parameter(name), weight.float())
        for name, weight in subject.changed(candidate).items()
    )
    if not (same and error <= 1e-3 * wanted.abs().max().item()):
        raise ArgumentError(
            f"what was written to {folder} gives other logits than were measured (by {error:.2g}), "
            "so it was taken back; please report this"
        )


def _numbers(output: Any) -> Tensor:
    logits = getattr(output, "logits", None)
    return output.last_hidden_state if logits is None else logits
