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
import struct
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

from phasor.checkpoints import examine
from phasor.checkpoints.converting.source import read_source
from phasor.encoding import Compose, PositionEncoding
from phasor.encodings import Rotary, UnevenRotary
from phasor.errors import PhasorError
from phasor.inspection.source import open_source
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

_MODULE = "transformers.models.auto.configuration_auto"
_YARN = {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_LONG = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
_TEXT: dict[str, Any] = {"rope_theta": 10_000.0, "rms_norm_eps": 1e-6, "vocab_size": 320, **_SMALL}
PLAIN: list[dict[str, Any]] = [
    {"model_type": "llama", **_TEXT},
    {"model_type": "llama", **_TEXT, "rope_scaling": _LLAMA3},
    {"model_type": "qwen2", **_TEXT, "rope_scaling": {"type": "linear", "factor": 2.0}},
    {"model_type": "qwen3", **_TEXT, "rope_scaling": _YARN, "head_dim": 32},
    {"model_type": "mistral", **_TEXT, "sliding_window": 128, "head_dim": 16},
    {"model_type": "gemma", **_TEXT, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
]
"""Read without transformers too."""
CONFIGS: list[dict[str, Any]] = [
    *PLAIN,
    {"model_type": "phi3", **_TEXT, "original_max_position_embeddings": 512, "pad_token_id": 0,
     "rope_scaling": {**_LONG, "attention_factor": 1.2}},
    {"model_type": "gemma3_text", **_TEXT, "sliding_window": 8, "head_dim": 16,
     "layer_types": ["sliding_attention", "full_attention"]},
    {"model_type": "qwen2_vl", "text_config": {
        "model_type": "qwen2_vl_text", **_TEXT,
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 2, 2]}},
     "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 64}},
    {"model_type": "deepseek_v3", **_TEXT, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
     "rope_scaling": {**_YARN, "mscale": 1.0, "mscale_all_dim": 1.0}},
    {"model_type": "gpt_neox", **_TEXT, "rotary_pct": 0.25, "rotary_emb_base": 10_000},
    {"model_type": "granite_swa", **_TEXT, "layer_rope_theta": [1e4, 0.0]},
    {"model_type": "falcon", **_SMALL, "alibi": True, "n_head": 4},
    {"model_type": "bloom", "n_layer": 2, "n_head": 4, "hidden_size": 64},
    {"model_type": "t5", "d_model": 64, "num_layers": 2, "num_heads": 4, "d_kv": 16,
     "relative_attention_num_buckets": 8, "relative_attention_max_distance": 32},
    {"model_type": "opt", **_SMALL, "word_embed_proj_dim": 64, "ffn_dim": 64},
    {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128},
    {"model_type": "bert", **_SMALL, "type_vocab_size": 2},
    {"model_type": "deberta-v2", **_SMALL, "relative_attention": True, "position_buckets": 8,
     "pos_att_type": ["c2p", "p2c"], "max_relative_positions": -1},
    {"model_type": "xlnet", "d_model": 64, "n_layer": 2, "n_head": 4, "clamp_len": -1},
    {"model_type": "dinov3_vit", **_SMALL, "image_size": 64, "patch_size": 16},
    {"model_type": "llama4_text", **_TEXT, "attention_chunk_size": 64, "head_dim": 16,
     "no_rope_layers": [1, 0], "attn_temperature_tuning": True, "floor_scale": 64},
    {"model_type": "modernbert", **_SMALL, "local_attention": 8, "global_rope_theta": 16e4},
    {"model_type": "whisper", "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
     "max_source_positions": 64, "max_target_positions": 32},
    {"model_type": "esm", **_SMALL, "position_embedding_type": "rotary", "vocab_size": 33,
     "pad_token_id": 1, "mask_token_id": 32},
]  # fmt: skip
PARAMS: list[dict[str, Any]] = [
    {"dim": 64, "n_layers": 2, "n_heads": 4, "rope_theta": 500000.0, "use_scaled_rope": True},
    {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16, "max_seq_len": 64,
     "rope_theta": 1e6, "hidden_dim": 128, "vocab_size": 320, "norm_eps": 1e-5},
    {"dim": 64, "n_layers": 2, "n_heads": 4, "use_scaled_rope": True, "rope_scaling_factor": 32.0,
     "rope_high_freq_factor": 4.0},
]  # fmt: skip
NAMES = sorted(
    {name for config in (*CONFIGS, *PARAMS) for name in config}
    | {name for each in (_YARN, _LLAMA3, _LONG) for name in each}
    | {"partial_rotary_factor", "attention_factor", "mrope_section", "truncate", "alpha", "type"}
    | {"num_labels", "id2label", "text_config", "per_layer_config", "rope_parameters", "dtype"}
    | {"short_mscale", "long_mscale", "is_causal", "use_sliding_window", "quantization_config"}
)
EXTREME: list[Any] = [
    None, True, False, 0, 1, 2, 3, -1, 7, 127, 2**20, 2**31, 2**40, 2**63, 10**9, 10**12, 10**400,
    0.0, -0.0, 0.5, -1.5, 1e-300, 5e-324, 1e9, 1e30, 1e300, 1.7e308, float("nan"), float("inf"),
    -float("inf"), "", "x", "1", "yarn", "longrope", "llama3", "default", "dynamic", "linear",
    "proportional", "mrope", "full_attention", "sliding_attention", "\0", "é" * 99, [], {}, [[]],
    [None], [0], [1.0] * 8, [10**9] * 3, [-1], {"a": 1}, {"rope_type": "yarn"}, _LONG,
]  # fmt: skip


def mutated(draw: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """The object with one to three of its places changed."""
    value = copy.deepcopy(value)
    for _ in range(draw.randint(1, 3)):
        holder, key = draw.choice(list(_places(value)))
        old = holder[key]
        act = draw.randrange(9)
        if act == 0:
            del holder[key]
        elif act == 1 and isinstance(old, (int, float)) and abs(old) < 1e300:
            holder[key] = old * draw.choice((-1, 0, 0.5, 1.5, 2, 3, 1000, 10**6, 1e30))
        elif act == 2 and isinstance(old, (int, float)) and abs(old) < 1e300:
            holder[key] = draw.choice((float, str, bool))(old)
        elif act == 3:
            other, name = draw.choice(list(_places(value)))
            holder[key] = copy.deepcopy(other[name])
        elif act == 4:
            holder[key] = draw.choice(([old], {"a": old}, [old] * 2, {str(key): old}))
        elif act == 5:
            holder[key] = draw.choice((1, -1)) * 10 ** draw.uniform(-12, 18)
        elif act == 6:
            target = draw.choice([value, *(each[k] for each, k in _places(value))])
            if isinstance(target, dict):
                target[draw.choice(NAMES)] = copy.deepcopy(draw.choice(EXTREME))
        else:
            holder[key] = copy.deepcopy(draw.choice(EXTREME))
        if not value:
            break
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)) and value[key]:
            yield from _places(value[key])


def changed_bytes(draw: random.Random, data: bytes) -> bytes:
    """Bytes with some of them flipped, cut, doubled or drawn anew."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 2)):
        at = draw.randrange(len(found) + 1)
        act = draw.randrange(8)
        if act < 4 and found:
            found[at % len(found)] ^= 1 << draw.randrange(8)
        elif act == 4:
            del found[at:]
        elif act == 5:
            found[at:at] = draw.randbytes(draw.randint(1, 9))
        elif act == 6:
            found[at : at + 8] = draw.choice((b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 2**60)))
        else:
            found[at:at] = found[at : at + draw.randint(1, 200)]
    return bytes(found)


# GGUF: values are (type, what it says); a number in place of what it says is a count that lies.
_TYPES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
_LIES = (0, 1, 3, 255, 2**16, 2**31, 2**32 - 1, 2**40, 2**60, 2**63, 2**64 - 1)
_KNOWN = ("llama", "qwen2", "phi3", "gemma2", "baichuan", "mpt", "deepseek2", "gemma3", "gpt-oss")


def gguf_file(draw: random.Random, *, honest: bool) -> bytes:
    """A GGUF file whose values, and whose counts unless `honest`, are drawn."""
    model = draw.choice(_KNOWN)
    values: dict[str, tuple[int, Any]] = {
        "general.architecture": (8, model),
        "general.alignment": (4, 32),
        f"{model}.block_count": (4, 2),
        f"{model}.context_length": (4, 4096),
        f"{model}.embedding_length": (4, 64),
        f"{model}.attention.head_count": (4, 4),
        f"{model}.rope.freq_base": (6, 10_000.0),
        f"{model}.rope.dimension_count": (4, 16),
        "tokenizer.ggml.tokens": (9, (8, ["a", "b", "c"])),
        "tokenizer.ggml.scores": (9, (6, [0.0, 1.0, 2.0])),
    }
    if draw.random() < 0.4:
        values[f"{model}.rope.scaling.type"] = (8, draw.choice(("yarn", "linear", "none")))
        values[f"{model}.rope.scaling.factor"] = (6, 4.0)
        values[f"{model}.rope.scaling.original_context_length"] = (4, 1024)
    factors = [1.0] * 8
    if not honest and draw.random() < 0.2:
        factors = draw.choice(([1.0] * 7, [0.0] * 8, [float("nan")] * 8, []))
    if not honest:
        for _ in range(draw.randint(1, 3)):
            name = draw.choice(list(values))
            values[name] = draw.choice(
                (
                    (4, draw.choice(_LIES) % 2**32),
                    (10, draw.choice(_LIES)),
                    (5, -1),
                    (7, 1),
                    (6, draw.choice((float("nan"), float("inf"), 0.0, -1.0, 1e-38, 3e38))),
                    (12, draw.choice((1e300, 5e-324))),
                    (8, draw.choice(("", "x", "é"))),
                    (9, (draw.choice((0, 4, 6, 8, 9, 99)), draw.choice(_LIES))),
                    (9, (4, [16, 24, 24, 0])),
                    (draw.choice((13, 99, 2**31)), None),
                )
            )
    out = bytearray(b"GGUF")
    count = draw.choice(_LIES) if not honest and draw.random() < 0.05 else len(values)
    tensors = draw.choice(_LIES) if not honest and draw.random() < 0.05 else 1
    version = draw.choice((2, 1, 0, 2**24)) if not honest and draw.random() < 0.05 else 3
    out += struct.pack("<IQQ", version, tensors, count)
    for name, (kind, said) in values.items():
        out += _string(name) + struct.pack("<I", kind) + _value(kind, said)
    shape = [len(factors)]
    if not honest and draw.random() < 0.1:
        shape = draw.choice(([2**32] * 2, [2**63], [], [0], [1] * 9, [2**64 - 1] * 4))
    out += _string("rope_freqs.weight") + struct.pack("<I", len(shape))
    out += b"".join(struct.pack("<Q", size) for size in shape)
    kind, offset = 0, 0
    if not honest and draw.random() < 0.1:
        kind, offset = draw.choice((0, 1, 8, 99)), draw.choice((0, *_LIES))
    out += struct.pack("<IQ", kind, offset)
    out += b"\0" * (-len(out) % 32) + struct.pack(f"<{len(factors)}f", *factors)
    return bytes(out)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(kind: int, said: Any) -> bytes:
    if kind == 8:
        return _string(said)
    if kind != 9:
        return struct.pack(f"<{_TYPES[kind]}", said) if kind in _TYPES else b""
    item, items = said
    if isinstance(items, int):
        return struct.pack("<IQ", item, items)
    return struct.pack("<IQ", item, len(items)) + b"".join(_value(item, each) for each in items)


def safetensors_file(draw: random.Random) -> bytes:
    """A file of frequencies whose header, length or bytes are drawn."""
    numbers = struct.pack("<8f", *(10_000.0 ** (-pair / 8) for pair in range(8)))
    header: dict[str, Any] = {
        "__metadata__": {"format": "pt"},
        "model.rotary_emb.inv_freq": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]},
        "model.layers.0.self_attn.q_proj.weight": {
            "dtype": "F32", "shape": [64, 64], "data_offsets": [32, 32 + 4 * 64 * 64],
        },
    }  # fmt: skip
    data = numbers + bytes(4 * 64 * 64)
    act = draw.randrange(4)
    if act < 3:
        for _ in range(draw.randint(0, 2)):
            holder, key = draw.choice(list(_places(header)))
            holder[key] = copy.deepcopy(
                draw.choice(
                    (*EXTREME, "BF16", "F64", "I8", "F8_E4M3", "F4", "C64", "BOOL", "U64", [2, 4])
                )
            )
    text = json.dumps(header).encode()
    length = draw.choice(_LIES) if act == 2 else len(text)
    whole = struct.pack("<Q", length) + text + data
    return changed_bytes(draw, whole) if act == 3 else whole


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
    hints = patch("phasor.checkpoints.plain.how_to_get", lambda module: f"install {module}")
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
