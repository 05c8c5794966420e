"""Trains low-rank changes of the attention's projections on stretched positions."""

import copy
import json
import math
import os
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from phasor._extend.documents import Documents
from phasor._extend.events import Watch
from phasor._extend.install import installed
from phasor._extend.methods import RotaryCandidate
from phasor._extend.plan import Task
from phasor._extend.rotation import RotarySubject, rotary_modules
from phasor._extend.store import Measurement
from phasor._kit.watching import begin
from phasor.errors import ArgumentError
from phasor.installation import needs
from phasor.positions import pose

SAVE_EACH = 20
"""Steps after which what has been trained is put on disk."""

_PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj"]
_RANK, _BATCH = 16, 4
_RATE, _WARM_UP = 2e-4, 10
_SEED = 20_260_104


def check_installed() -> None:
    """Raise unless PEFT is there."""
    needs("peft", "finetune=")


def check_documents(documents: Documents) -> None:
    """Raise unless there is something to train on."""
    if not documents.search:
        raise ArgumentError(
            f"finetune= needs documents beside the {len(documents.measured)} to measure on, and "
            f"{documents.source} has no more; pass more text with text="
        )


def finetune(
    subject: RotarySubject,
    candidate: RotaryCandidate,
    documents: Documents,
    folder: Path,
    setup: dict[str, Any],
    watch: Watch,
    *,
    steps: int,
    resume: bool,
    save_each: int = SAVE_EACH,
) -> tuple[RotarySubject, RotaryCandidate, tuple[float, ...]]:
    """Train the model on `documents.search` with `candidate`'s frequencies for the target.

    A sequence is as long as those that the model was trained for, and its positions skip ahead at
    random up to the target (`phasor.positions.pose`), so that a step costs no more than one of the
    first training. What a step reads follows from its number, and weights and the optimiser's state
    are on disk in one file: training that was killed and goes on gives the same weights.

    Args:
        subject: The model; it stays as it is.
        candidate: What to install.
        documents: Of which only those for searching are read.
        folder: Where `finetune.safetensors` is kept, open for this process alone.
        setup: What decides the outcome, as plain JSON values.
        watch: Told of each step.
        steps: To train for.
        resume: Go on with what is in `folder`.
        save_each: Steps after which it is saved.

    Returns:
        The model with the changes in its weights, the candidate under another name, and the loss
        of each step in nats per token.

    Raises:
        ArgumentError: No document to train on, no projections of the usual names, or the training
            of another run in `folder`.
    """
    from accelerate import Accelerator

    check_documents(documents)
    setup = {
        **setup, "documents": len(documents.search), "steps": steps, "candidate": candidate.why
    }  # fmt: skip
    file = folder / "finetune.safetensors"
    if file.exists() and not resume:
        raise ArgumentError(
            f"{folder} holds the training of a run that did not end; add resume=True to go on with "
            "it, or delete that folder"
        )
    situation = subject.situation
    model = _with_changes(subject)
    rotary = rotary_modules(model)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer: Any = torch.optim.AdamW(trained, lr=_RATE, weight_decay=0.0)
    accelerator = Accelerator(cpu=subject.model.device.type == "cpu")
    model, optimizer = accelerator.prepare(model, optimizer)
    losses = _load(file, trained, optimizer, setup) if file.exists() else []
    done = len(losses)
    if done < steps:
        frequencies = candidate.frequencies(situation.frequencies, situation.target_length)
        task = Task(kind="finetune", candidate=candidate.name, document=0, length=steps)
        tokens_each = _BATCH * situation.trained_length
        start = time.monotonic()
        advance = begin(watch, task, steps * tokens_each)
        advance(done * tokens_each)
        with installed(rotary, frequencies):
            for step in range(done, steps):
                tokens, positions = draw(documents, situation, step)
                loss = _loss(model, tokens.to(accelerator.device), positions.to(accelerator.device))
                accelerator.backward(loss)
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                for group in optimizer.param_groups:
                    group["lr"] = _RATE * _share(step, steps)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
                if (step + 1) % save_each == 0 or step + 1 == steps:
                    _save(file, trained, optimizer, setup, losses)
                advance(tokens_each)
        watch(
            Measurement(
                kind="finetune", candidate=candidate.name, document=0, length=steps, depth=None,
                values=tuple(losses[done:]), seconds=time.monotonic() - start,
            )
        )  # fmt: skip
    unwrapped: Any = accelerator.unwrap_model(model)
    merged = unwrapped.merge_and_unload().eval().requires_grad_(False)
    tuned = replace(subject, model=merged, rotary=rotary_modules(merged), on_disk=False)
    renamed = replace(
        candidate,
        name=f"{candidate.name}-finetuned",
        why=f"{candidate.why}; {steps} steps of training at stretched positions",
    )
    return tuned, renamed, tuple(losses)


def draw(documents: Documents, situation: Any, step: int) -> tuple[Tensor, Tensor]:
    """Tokens `[batch, seq + 1]` and positions `[batch, seq]` of step number `step`."""
    chance = torch.Generator().manual_seed(_SEED + step)
    seq = situation.trained_length
    rows, places = [], []
    for _ in range(_BATCH):
        document = documents.search[int(torch.randint(len(documents.search), (), generator=chance))]
        start = int(torch.randint(len(document) - seq, (), generator=chance))
        rows.append(document[start : start + seq + 1])
        places.append(pose(seq, situation.target_length, chance))
    return torch.stack(rows), torch.stack(places)


def _loss(model: Any, tokens: Tensor, positions: Tensor) -> Tensor:
    logits = model(
        input_ids=tokens[:, :-1],
        position_ids=positions,
        # Without a mask transformers takes each skip of positions for the start of another text.
        attention_mask=torch.ones_like(positions),
        use_cache=False,
    ).logits
    return cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())


def _with_changes(subject: RotarySubject) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=_RANK, lora_alpha=2 * _RANK, lora_dropout=0.0, target_modules=_PROJECTIONS,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    with torch.random.fork_rng(), warnings.catch_warnings():
        # PEFT asks transformers for it by the name of before.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        torch.manual_seed(_SEED)
        try:
            return get_peft_model(copy.deepcopy(subject.model), config)
        except ValueError as error:
            raise ArgumentError(
                f"{subject.path} has no projections called {', '.join(_PROJECTIONS)}, which "
                "finetune= trains; leave it out"
            ) from error


def _share(step: int, steps: int) -> float:
    """Of the learning rate: up over a few steps, then down along a cosine."""
    return min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _save(
    file: Path, trained: list[Tensor], optimizer: Any, setup: dict[str, Any], losses: list[float]
) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {}
    state = optimizer.state_dict()["state"]
    for at, weight in enumerate(trained):
        tensors[f"{at}.weight"] = weight.detach()
        tensors |= {f"{at}.{name}": value for name, value in state[at].items()}
    draft = file.with_name(f".{file.name}.part")
    try:
        save_file(
            tensors, draft, metadata={"setup": json.dumps(setup), "losses": json.dumps(losses)}
        )
    except SafetensorError as error:
        draft.unlink(missing_ok=True)
        raise OSError(f"cannot write {file}: {error}") from error
    with draft.open("rb") as opened:
        os.fsync(opened.fileno())
    draft.replace(file)


def _load(file: Path, trained: list[Tensor], optimizer: Any, setup: dict[str, Any]) -> list[float]:
    """Put what is in `file` into `trained` and `optimizer`; the loss of each step it has had."""
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    before = json.loads(metadata["setup"])
    if before != json.loads(json.dumps(setup)):
        raise ArgumentError(
            f"the training that was begun was another: {before} there and {setup} here; repeat "
            "with those, or choose another folder with out="
        )
    state: dict[int, dict[str, Tensor]] = {at: {} for at in range(len(trained))}
    for name, value in tensors.items():
        at, part = name.split(".", 1)
        if part == "weight":
            trained[int(at)].data.copy_(value)
        else:
            state[int(at)][part] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return json.loads(metadata["losses"])
