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
from torch.func import functional_call

from phasor._extend.companions import copy_companions
from phasor._extend.subject import Candidate, Subject
from phasor._extend.weights import copy_weights, files_of, save_weights
from phasor._kit.whole_folder import whole_folder
from phasor._read.limits import read_json
from phasor._read.loading import load_model
from phasor._read.own_files import own_file
from phasor.errors import ArgumentError

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
    for file in folder.glob("*.safetensors"):  # safetensors writes them for their owner alone
        shutil.copymode(folder / "config.json", file)
    if subject.model.can_generate():
        subject.model.generation_config.save_pretrained(folder)
    subject.tokenizer.save_pretrained(folder)
    reasons |= _adapt_tokenizer(folder / "tokenizer_config.json", candidate.max_seq_len)
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
        raise ArgumentError(f"{folder} exists already; choose another folder with out=")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as draft:
            yield draft
            for file in draft.rglob("*"):
                if file.is_file():
                    with file.open("rb") as opened:
                        os.fsync(opened.fileno())
    except OSError as error:
        raise ArgumentError(
            f"cannot write {folder}: {error.strerror or error}; nothing was left there: {advice}"
        ) from error


def _config(subject: Subject) -> dict[str, Any]:
    """As it is on disk; of a GGUF file, what transformers makes of it."""
    if subject.path.is_dir():
        return read_json(own_file(subject.path, "config.json"))
    config = json.loads(subject.model.config.to_json_string())
    return config | {"architectures": [type(subject.model).__name__]}


def _adapt_tokenizer(file: Path, length: int) -> dict[str, str]:
    """Let a tokenizer whose texts end where the model did go on to `length`.

    It is also given the name that both versions of transformers know.
    """
    config = before = json.loads(file.read_text())
    if config.get("tokenizer_class") == "TokenizersBackend":
        config = config | {"tokenizer_class": "PreTrainedTokenizerFast"}
    if config.get("model_max_length", length) < length:
        config = config | {"model_max_length": length}
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    reasons = {
        "tokenizer_class": "of the tokenizer, by a name that transformers 4 knows too",
        "model_max_length": "of the tokenizer, which cuts texts there",
    }
    return {name: why for name, why in reasons.items() if config.get(name) != before.get(name)}


def _verify(subject: Subject, candidate: Candidate, folder: Path) -> None:
    # In the type that it has on disk: of weights in half precision that is half a copy.
    causal = subject.model.can_generate()
    written = load_model(folder, causal=causal, dtype="auto").model
    vocabulary = subject.model.config.get_text_config().vocab_size
    tokens = torch.arange(_CHECKED_TOKENS)[None] * 7 % vocabulary
    with torch.no_grad(), subject.running(candidate, _CHECKED_TOKENS) as model:
        measured = {name: weight.cpu() for name, weight in model.named_parameters()}
        found = dict(written.named_parameters())
        same = found.keys() == measured.keys() and all(
            torch.equal(found[name].to(weight.dtype), weight)
            for name, weight in measured.items()
            # Checkpoints of BERT with another head lack it; what is compared does not need it.
            if not name.startswith("pooler.")
        )
        wanted = _numbers(model(tokens.to(model.device))).cpu()
        # Its weights are those that were measured, so it may be run on the numbers in memory.
        given = functional_call(written, measured, (tokens,)) if same else None
    error = float("nan") if given is None else (_numbers(given) - wanted).abs().max().item()
    if not error <= 1e-3 * wanted.abs().max().item():
        what = f"other logits than were measured (by {error:.2g})" if same else "other weights"
        raise ArgumentError(
            f"what was written to {folder} gives {what}, so it was taken back; please report this"
        )


def _numbers(output: Any) -> Tensor:
    logits = getattr(output, "logits", None)
    return output.last_hidden_state if logits is None else logits
