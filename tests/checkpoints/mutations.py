"""Files that lie, by the thousand: what is read is built, and all else is one sentence.

    cd tests && python -m checkpoints.mutations

Each case is drawn from its kind and its number alone. It fails if reading raises anything but a
`PhasorError` of one line, takes longer than its limit, or returns what does not build. One case is
run again with `--kind KIND --case NUMBER`.
"""

import argparse
import copy
import faulthandler
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from checkpoints.mutants import (
    _MODULE,
    CONFIGS,
    PARAMS,
    PLAIN,
    changed_bytes,
    gguf_file,
    mutated,
    safetensors_file,
)

from phasor._compose import Compose
from phasor._convert.source import read_source
from phasor._inspect.source import open_source
from phasor._read import examine
from phasor.encoding import PositionEncoding
from phasor.encodings import Rotary, UnevenRotary
from phasor.errors import PhasorError
from phasor.spec import GeometricSpec, LayerSpec, PositionSpec, RotarySpec, SectionsSpec

LIMIT = 10.0
"""Seconds of the processor for a case; six times as long by the clock, where others use it too."""
MEMORY = 3 << 30
"""Bytes that all cases together may add."""
CASES = {
    "config": 4_000,
    "plain": 7_000,
    "bytes": 12_000,
    "params": 9_000,
    "spec": 4_000,
    "gguf": 46_000,
    "gguf bytes": 13_000,
    "safetensors": 3_000,
    "index": 2_000,
}
"""How many of each kind: through transformers a config takes twenty times as long as without."""


@dataclass
class Trial:
    """Where a case is read, and how it went."""

    folder: Path
    seen: Counter[str] = field(default_factory=Counter)

    def read(self, source: Any, draw: random.Random) -> None:
        """Read, and build what was read."""
        try:
            spec = examine(source, strict=draw.random() < 0.5).spec
        except PhasorError as error:
            self.refused(error)
            return
        self.seen["read"] += 1
        build(spec)

    def refused(self, error: PhasorError) -> None:
        sentence = str(error)
        assert sentence, "an error without a sentence"
        assert "\n" not in sentence, sentence
        assert len(sentence) < 4000, len(sentence)
        self.seen["refused"] += 1

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path


def of_config(trial: Trial, draw: random.Random) -> None:
    trial.read(mutated(draw, draw.choice(CONFIGS)), draw)


def of_plain(trial: Trial, draw: random.Random) -> None:
    with without_transformers():
        trial.read(mutated(draw, draw.choice(PLAIN)), draw)


def of_bytes(trial: Trial, draw: random.Random) -> None:
    text = json.dumps(mutated(draw, draw.choice((*PLAIN, *PARAMS)))).encode()
    with without_transformers():
        trial.read(trial.write("config.json", changed_bytes(draw, text)), draw)


def of_params(trial: Trial, draw: random.Random) -> None:
    trial.read(mutated(draw, draw.choice(PARAMS)), draw)


def of_spec(trial: Trial, draw: random.Random) -> None:
    plain = json.loads(draw.choice(_specs()))
    text = json.dumps(mutated(draw, plain)).encode()
    path = trial.write("spec.json", changed_bytes(draw, text) if draw.random() < 0.2 else text)
    try:
        spec = open_source(path).spec
    except PhasorError as error:
        trial.refused(error)
        return
    trial.seen["read"] += 1
    build(spec)


def of_gguf(trial: Trial, draw: random.Random) -> None:
    trial.read(trial.write("model.gguf", gguf_file(draw, honest=draw.random() < 0.05)), draw)


def of_gguf_bytes(trial: Trial, draw: random.Random) -> None:
    data = changed_bytes(draw, gguf_file(draw, honest=True))
    trial.read(trial.write("model.gguf", data), draw)


def of_safetensors(trial: Trial, draw: random.Random) -> None:
    folder = _checkpoint(trial)
    trial.write("checkpoint/model.safetensors", safetensors_file(draw))
    _read_folder(trial, folder, draw)


def of_index(trial: Trial, draw: random.Random) -> None:
    folder = _checkpoint(trial)
    (folder / "model.safetensors").unlink(missing_ok=True)
    trial.write("checkpoint/a.safetensors", safetensors_file(random.Random(0)))
    names = ("a.safetensors", "b.safetensors", "../a.safetensors", "/dev/zero", "", ".", "..", "\0")
    index: dict[str, Any] = {
        "metadata": {"total_size": 16416},
        "weight_map": {
            "model.rotary_emb.inv_freq": draw.choice(names),
            "model.layers.0.self_attn.q_proj.weight": "a.safetensors",
        },
    }
    text = json.dumps(mutated(draw, index) if draw.random() < 0.7 else index).encode()
    if draw.random() < 0.2:
        text = changed_bytes(draw, text)
    trial.write("checkpoint/model.safetensors.index.json", text)
    _read_folder(trial, folder, draw)
    (folder / "model.safetensors.index.json").unlink()


def _checkpoint(trial: Trial) -> Path:
    folder = trial.folder / "checkpoint"
    folder.mkdir(exist_ok=True)
    if not (folder / "config.json").exists():
        (folder / "config.json").write_text(json.dumps(PLAIN[0]))
    return folder


def _read_folder(trial: Trial, folder: Path, draw: random.Random) -> None:
    with without_transformers():
        trial.read(folder, draw)
    try:  # as `phasor convert` does
        read_source(folder)
        trial.seen["read"] += 1
    except PhasorError as error:
        trial.refused(error)


KINDS: dict[str, Callable[[Trial, random.Random], None]] = {
    "config": of_config,
    "plain": of_plain,
    "bytes": of_bytes,
    "params": of_params,
    "spec": of_spec,
    "gguf": of_gguf,
    "gguf bytes": of_gguf_bytes,
    "safetensors": of_safetensors,
    "index": of_index,
}


def build(spec: PositionSpec) -> None:
    """Make every encoding of a spec and prepare positions; large tables without memory."""
    for stack in (spec, *spec.towers):
        encodings = [] if stack.embedding is None else [stack.embedding]
        for each in encodings:
            _prepare(each.build)
        for layer in dict.fromkeys(stack.layers):
            _prepare(layer.build)
        assert PositionSpec.from_json(stack.to_json()) == stack or _is_nan(stack)


def _prepare(make: Callable[[], PositionEncoding]) -> None:
    with torch.device("meta"):
        empty = make()
    if sum(parameter.numel() for parameter in empty.parameters()) > 2**20:
        return
    encoding = make()
    parts = encoding._parts() if isinstance(encoding, Compose) else [encoding]
    for part in parts:
        for settled in [part.at(1), part.at(2**20)] if isinstance(part, Rotary) else [part]:
            rotates = isinstance(settled, Rotary | UnevenRotary)
            axes = settled.frequencies.axes if rotates else 1
            count = min(
                3, getattr(settled, "num_positions", 3), getattr(settled, "seq_len", 3) or 3
            )
            positions = torch.arange(count)
            settled.prepare(positions if axes == 1 else positions[:, None].expand(-1, axes))


def _is_nan(spec: PositionSpec) -> bool:
    return spec != copy.deepcopy(spec)


@cache
def _specs() -> list[str]:
    rotary = RotarySpec(head_dim=16, frequencies=GeometricSpec(rotary_dim=16))
    axes = RotarySpec(
        head_dim=16,
        frequencies=GeometricSpec(rotary_dim=16),
        sections=SectionsSpec(sizes=(4, 2, 2)),
    )
    specs = [PositionSpec(model="mine", layers=(LayerSpec(encodings=(rotary,)), LayerSpec()))]
    specs.append(PositionSpec(model="mine", layers=(LayerSpec(encodings=(axes,), window=4),)))
    specs += [examine(config).spec for config in PLAIN]
    return [spec.to_json() for spec in specs]


@contextmanager
def without_transformers() -> Iterator[None]:
    """As where it is not installed."""
    usual = sys.modules.get(_MODULE)
    sys.modules[_MODULE] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if usual is None:
            del sys.modules[_MODULE]
        else:
            sys.modules[_MODULE] = usual


class TookTooLongError(BaseException):
    """No `except Exception` hides it."""


def _stop(*_: Any) -> None:
    raise TookTooLongError(f"more than {LIMIT} s")


def run_case(kind: str, number: int, trial: Trial) -> str | None:
    """What went wrong, or nothing."""
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    signal.setitimer(signal.ITIMER_REAL, 6 * LIMIT)
    try:
        KINDS[kind](trial, random.Random(f"{kind} {number}"))
    except (Exception, TookTooLongError):
        return traceback.format_exc(limit=-6)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def run(cases: dict[str, range]) -> list[str]:
    """Run cases by kind, print their counts, and return what went wrong."""
    signal.signal(signal.SIGALRM, _stop)
    signal.signal(signal.SIGPROF, _stop)
    wrong: list[str] = []
    quick = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    # What is installed is looked up anew for each hint.
    hints = patch("phasor._read.plain.how_to_get", lambda module: f"install {module}")
    with hints, tempfile.TemporaryDirectory(dir=quick) as name:
        for kind, numbers in cases.items():
            trial, began, longest = Trial(Path(name)), time.process_time(), (0.0, 0)
            failed = 0
            for number in numbers:
                if number % 64 == 0:  # a case inside of C code does not hear the signal
                    faulthandler.dump_traceback_later(60 * LIMIT, exit=True)
                start = time.process_time()
                error = run_case(kind, number, trial)
                longest = max(longest, (time.process_time() - start, number))
                if error is not None:
                    failed += 1
                    wrong.append(f"--kind '{kind}' --case {number}\n{error}")
            seconds = time.process_time() - began
            counts = ", ".join(f"{count} {what}" for what, count in sorted(trial.seen.items()))
            print(
                f"{kind}: {len(numbers)} cases in {seconds:.0f} s of the processor: {counts}, "
                f"{failed} failed; the longest was {longest[1]}, {longest[0]:.1f} s",
                flush=True,
            )
    faulthandler.cancel_dump_traceback_later()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--case", type=int)
    parser.add_argument("--share", type=float, default=1.0, help="of all cases")
    given = parser.parse_args()
    cases = {
        kind: range(int(count * given.share))
        for kind, count in CASES.items()
        if given.kind in (None, kind)
    }
    if given.case is not None:
        cases = {given.kind: range(given.case, given.case + 1)}
    _specs()  # what is imported late counts for no case
    for config in CONFIGS:
        examine(config, strict=False)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong = run(cases)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) << 10
    count = sum(map(len, cases.values()))
    print(f"{count} cases, {len(wrong)} failed; memory grew by {grown >> 20} MB")
    print(*wrong[:20], sep="\n")
    return 1 if wrong or grown > MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
