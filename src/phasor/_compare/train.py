"""One trial: build a model around an encoding, train it, measure it."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn.functional import cross_entropy

from phasor._compare import measures
from phasor._compare.config import TrialConfig
from phasor._compare.memory import MemoryMeter
from phasor._compare.model import Decoder
from phasor._compare.tasks import Task
from phasor._compare.trial import Trial
from phasor.encoding import PositionEncoding
from phasor.encodings.spelling import parse_spelling
from phasor.errors import ArgumentError

_STEPS_PER_REPORT = 20
_WARM_UP_SHARE = 0.1
_WEIGHT_DECAY = 0.1
_MAX_GRADIENT_NORM = 1.0
_TOKEN_PAIRS = 64

Report = Callable[[int, float], None]
"""Called with the step and the mean training loss since the last call."""


@dataclass(frozen=True)
class Training:
    """What was seen while training."""

    steps: list[int]
    losses: list[float]
    tokens_per_second: float
    peak_memory: int


def run_trial(encoding: str, seed: int, task: Task, config: TrialConfig, report: Report) -> Trial:
    """Train one model from `seed` with the encoding called `encoding`, and measure it.

    Two trials of one seed start from the same weights for everything but the encoding and see the
    same batches in the same order. On the CPU the same arguments give the same numbers, bit for
    bit, as long as the number of threads is the same.

    Args:
        encoding: A name of the catalogue, or a spelling such as `rotary(base=500000)`.
        seed: Of the weights and the batches.
        task: What to learn.
        config: Everything else.
        report: Told of progress.

    Raises:
        ArgumentError: Training diverged.
    """
    start = time.perf_counter()
    num_positions = task.num_positions(config.eval_lengths[-1])
    accelerator = Accelerator(
        cpu=config.device == "cpu", mixed_precision="bf16" if config.device == "cuda" else "no"
    )
    torch.manual_seed(seed)
    position_encoding = parse_spelling(encoding).build(config.shape(num_positions), config.layers)
    torch.manual_seed(seed)
    model = Decoder(
        position_encoding,
        vocab_size=task.vocab_size,
        width=config.width,
        num_layers=config.layers,
        num_heads=config.heads,
    ).to(accelerator.device)
    ratio = measures.additive_ratio(model, task.num_positions(config.train_length))
    training = train(model, task, config, seed, accelerator, report)
    # Accelerate made `forward` run in mixed precision; measurements are taken in float32.
    accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    model.eval()
    return _measure(encoding, seed, model, task, config, training, ratio, start)


def train(
    model: Decoder,
    task: Task,
    config: TrialConfig,
    seed: int,
    accelerator: Accelerator,
    report: Report,
) -> Training:
    """Train `model` in place: AdamW, warm-up and cosine, clipped gradients."""
    optimizer = torch.optim.AdamW(_parameter_groups(model, config), betas=(0.9, 0.95), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(config.steps))
    generator = torch.Generator().manual_seed(seed)
    wrapped, wrapped_optimizer = accelerator.prepare(model, optimizer)
    memory = MemoryMeter(accelerator.device)
    steps, losses, speeds = [], [], []
    total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    tokens = since = 0
    clock = time.perf_counter()
    for step in range(1, config.steps + 1):
        batch = task.training_batch(config.batch_size, generator).to(accelerator.device)
        logits = wrapped(batch.tokens)
        loss = cross_entropy(logits[batch.scored].float(), batch.targets[batch.scored])
        wrapped_optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), _MAX_GRADIENT_NORM)
        wrapped_optimizer.step()
        schedule.step()
        total += loss.detach()
        tokens += batch.tokens.numel()
        since += 1
        if since == _STEPS_PER_REPORT or step == config.steps:
            mean = total.item() / since
            if not math.isfinite(mean):
                raise _diverged(mean, step, config)
            speeds.append(tokens / (time.perf_counter() - clock))
            steps.append(step)
            losses.append(mean)
            report(step, mean)
            total.zero_()
            tokens = since = 0
            clock = time.perf_counter()
    return Training(steps, losses, statistics.median(speeds), memory.peak())


def _parameter_groups(model: Decoder, config: TrialConfig) -> list[dict[str, object]]:
    biases, others = [], []
    for encoding in model.encoding.distinct:
        # Projections of content are weights like any other.
        is_bias = "score" in encoding.sites and not encoding.looks_at
        (biases if is_bias else others).extend(encoding.parameters())
    own = {id(parameter) for parameter in (*biases, *others)}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    rate = config.learning_rate
    groups: list[dict[str, object]] = [
        {"params": [p for p in rest if p.ndim > 1], "lr": rate, "weight_decay": _WEIGHT_DECAY},
        {"params": [p for p in rest if p.ndim < 2], "lr": rate, "weight_decay": 0.0},
        # A bias that starts at zero moves by at most learning rate times steps, too little to show
        # what it can do: it gets a larger rate. Norm gains and encodings are not decayed.
        {"params": biases, "lr": rate * config.score_lr_factor, "weight_decay": 0.0},
        {"params": others, "lr": rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _schedule(steps: int) -> Callable[[int], float]:
    warm_up = max(1, round(_WARM_UP_SHARE * steps))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))

    return factor


def _measure(
    encoding: str,
    seed: int,
    model: Decoder,
    task: Task,
    config: TrialConfig,
    training: Training,
    ratio: float | None,
    start: float,
) -> Trial:
    device = model.embedding.weight.device
    batches = {n: task.evaluation_batch(n).to(device) for n in config.eval_lengths}
    predictions = {n: measures.predict(model, batch) for n, batch in batches.items()}
    scores = {str(n): measures.score(predictions[n], batch) for n, batch in batches.items()}
    for found in scores.values():
        if not math.isfinite(found.loss):
            raise _diverged(found.loss, config.steps, config)
    at_train_length = batches[config.train_length]
    tokens = at_train_length.tokens
    positions, position_loss, distances, variations = [], [], [], []
    if task.has_running_text:
        positions, position_loss = measures.loss_by_position(predictions[config.eval_lengths[-1]])
        distances, variations = measures.order_sensitivity(model, tokens[:_TOKEN_PAIRS])
    pairs = at_train_length.targets[:_TOKEN_PAIRS, :2]
    distance = measures.score_by_distance(model, pairs, tokens.shape[1])
    magnitude = measures.magnitude(model, tokens[:_TOKEN_PAIRS])
    return Trial(
        encoding=encoding,
        seed=seed,
        loss={n: score.loss for n, score in scores.items()},
        token_accuracy={n: score.token_accuracy for n, score in scores.items()},
        exact_match={n: score.exact_match for n, score in scores.items()}
        if task.has_one_answer
        else {},
        position=positions,
        position_loss=position_loss,
        order_distance=distances,
        order_sensitivity=variations,
        score_by_distance=distance.score,
        shift_spread=distance.shift_spread,
        embedding_gain=magnitude.embedding,
        query_key_gain=magnitude.query_key,
        norm_error=magnitude.error,
        additive_ratio=ratio,
        parameters=_count(model.encoding),
        model_parameters=_count(model),
        train_step=training.steps,
        train_loss_curve=training.losses,
        tokens_per_second=training.tokens_per_second,
        peak_memory=training.peak_memory,
        seconds=time.perf_counter() - start,
    )


def _diverged(loss: float, step: int, config: TrialConfig) -> ArgumentError:
    return ArgumentError(
        f"the loss became {loss} by step {step}; repeat with a lower learning_rate= than "
        f"{config.learning_rate:g}, into a new out="
    )


def _count(module: nn.Module | PositionEncoding) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
