"""The rotation and its fused neighbours on one GPU: share of copy bandwidth, and against peers.

python benchmarks/rotate_gpu.py [--rounds 31] [--peers Liger,vLLM | none] [--out FILE.json]

Each answer is compared with a float64 reference before it is timed. Peers are used if they are
installed. Times are medians of interleaved rounds on the device, from a cold cache; `of copy` is
the time of a plain copy that moves as many bytes, in the same rounds, as a share of the time found.
Decode steps are timed inside a CUDA graph.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from gpu_cases import PEERS, Case, cases
from torch import Tensor

from phasor._bench import hardware
from phasor._bench.clocks import CudaClock, GraphClock
from phasor._bench.timing import Clock, Work, interleaved

# bfloat16 tables of cosines, as some peers have them, err by 4e-3; anything larger is wrong.
LARGEST_ERROR = 0.02
BARS = (
    ("rotation [4,32+8,8192,128] bfloat16 half, tokens first", "phasor in place", 0.93),
    ("rotation [4,32+8,8192,128] bfloat16 interleaved, tokens first", "phasor in place", 0.93),
    ("rotation backward [4,32+8,8192,128] bfloat16 half, tokens first", "phasor in place", 0.93),
    ("norm + rotation [4,32+8,8192,128] bfloat16 half, tokens first", "phasor", 0.90),
    ("norm + rotation backward (query) [4,32+8,8192,128] bfloat16 half, tokens first", "phasor",
     0.90),
)  # fmt: skip


def error(found: object, expected: list[Tensor]) -> float:
    """Largest difference, relative to the largest value, over all results."""
    worst = 0.0
    for got, truth in zip(found, expected, strict=True):
        difference = (got.double() - truth).abs().max() / truth.abs().max().clamp_min(1e-30)
        # NaN compares as nothing; here it must compare as wrong.
        worst = max(worst, float(difference.nan_to_num(nan=float("inf"))))
    return worst


def copier(bytes_moved: int, device: str) -> Callable[[], Tensor]:
    """A copy that reads and writes as many bytes together."""
    source = torch.zeros(bytes_moved // 2, dtype=torch.uint8, device=device)
    return partial(torch.empty_like(source).copy_, source)


def rows(case: Case, device: str, clock: Clock, rounds: int) -> list[dict[str, object]]:
    """Check, then time, the contenders of one case."""
    expected, runs, errors, notes = case.expected(), {}, {}, dict(case.left_out)
    for name, build in case.contenders.items():
        try:
            run = build()
            errors[name] = error(run(), expected)
        except Exception as reason:
            if name.startswith("phasor"):
                raise
            notes[name] = f"failed: {type(reason).__name__}: {str(reason)[:80]}"
        else:
            if errors[name] <= LARGEST_ERROR:
                runs[name] = run
            else:
                notes[name] = f"wrong, not timed: off by {errors[name]:.2g} of the largest value"
    del expected
    runs["copy"] = copier(case.bytes_moved, device)
    works = {name: Work(call=lambda _, run=run: run()) for name, run in runs.items()}
    samples = interleaved(works, clock, rounds=rounds)
    times = {name: sample.median * 1e6 for name, sample in samples.items()}
    result = [
        {
            "case": case.title,
            "contender": name,
            "microseconds": time,
            "gigabytes_per_second": case.bytes_moved / time / 1000,
            "of_copy": times["copy"] / time,
            "error": errors.get(name),
        }
        for name, time in sorted(times.items(), key=lambda item: item[1])
    ]
    absent = [{"case": case.title, "contender": name, "note": note} for name, note in notes.items()]
    return result + absent


def table(found: Iterable[dict[str, object]]) -> str:
    """One case as text."""
    found = list(found)
    lines = [f"\n{found[0]['case']}"]
    for row in found:
        if "note" in row:
            lines.append(f"  {row['contender']:<18} {row['note']}")
            continue
        off = "" if row["error"] is None else f"   error {row['error']:.1e}"
        lines.append(
            f"  {row['contender']:<18} {row['microseconds']:>9.1f} us "
            f"{row['gigabytes_per_second']:>8.0f} GB/s {row['of_copy']:>7.1%} of copy{off}"
        )
    return "\n".join(lines)


def verdicts(found: Iterable[dict[str, object]]) -> list[str]:
    """What is asked for and what came out, a line for each bar that was measured."""
    shares = {
        (row["case"], row["contender"]): row["of_copy"] for row in found if "of_copy" in row
    }  # fmt: skip
    return [
        f"{'met   ' if shares[case, name] >= bar else 'MISSED'} {shares[case, name]:.1%} of copy, "
        f"asked {bar:.0%}: {name}, {case}"
        for case, name, bar in BARS
        if (case, name) in shares
    ]


def versions() -> dict[str, str]:
    """Of what took part."""
    peers = {peer.package: peer.version for peer in PEERS.values()}
    return hardware.versions() | {name: found for name, found in peers.items() if found}


def write(file: Path, content: dict[str, object]) -> None:
    """The whole file or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(file)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas, or none")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/<GPU>.json")
    chosen = parser.parse_args(argv)
    chosen.peers = () if chosen.peers == "none" else tuple(chosen.peers.split(","))
    if unknown := set(chosen.peers) - set(PEERS):
        parser.error(f"unknown peers {sorted(unknown)}; there are {', '.join(PEERS)}, or none")
    if chosen.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {chosen.rounds}")
    return chosen


def main(argv: list[str] | None = None) -> int:
    chosen = arguments(argv)
    if not torch.cuda.is_available():
        print(
            "rotate_gpu.py needs a CUDA device and found none; without one the kernels are tested "
            "by: TRITON_INTERPRET=1 pytest -m interpreter tests/kernels/triton_kernels",
            file=sys.stderr,
        )
        return 2
    name = torch.cuda.get_device_name()
    print(f"{name}; " + ", ".join(f"{key} {value}" for key, value in versions().items()))
    found: list[dict[str, object]] = []
    events = CudaClock(torch.device("cuda"))
    for case in cases("cuda", peers=chosen.peers):
        new = rows(case, "cuda", GraphClock(events) if case.graph else events, chosen.rounds)
        print(table(new), flush=True)
        found += new
        torch.cuda.empty_cache()
    print("", *verdicts(found), sep="\n")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    file = chosen.out or Path(__file__).parent / "results" / f"{slug}.json"
    write(file, {"device": name, "versions": versions(), "rows": found})
    print(f"\nwritten: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
