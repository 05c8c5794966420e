"""Memory and time of attention with each bias, against PyTorch's fused attention without any.

python benchmarks/attention_memory.py [--seq 16384] [--encodings alibi,t5] [--backward]

Each case runs in a process of its own. Its memory is the peak of the process's resident set minus
what was resident before query, key and value were made: those three, the output, for a backward
pass four gradients, and whatever attention needs besides. Before that measurement a short sequence
goes the same way, so that code loaded on first use does not count. Time is the processor's, of all
threads, so that what else the machine does matters less.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

import phasor
from phasor._bench.clocks import HostClock
from phasor._bench.timing import Work

BATCH, HEADS, HEAD_DIM = 1, 8, 64
WIDTH = HEADS * HEAD_DIM
ENCODINGS = {
    "none": phasor.NoPE,
    "alibi": lambda: phasor.ALiBi(HEADS),
    "t5": lambda: phasor.T5Bias(HEADS),
    "kerple": lambda: phasor.KERPLE(HEADS),
    "fire": lambda: phasor.FIRE(HEADS),
    "sandwich": lambda: phasor.Sandwich(HEADS),
    "fox": lambda: phasor.FoX(WIDTH, HEADS),
}


def resident(field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (peak), in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def attend(encoding: phasor.PositionEncoding, seq: int, backward: bool) -> None:
    query, key, value = (
        torch.randn(BATCH, HEADS, seq, HEAD_DIM, requires_grad=backward) for _ in range(3)
    )
    features = encoding.observe(torch.randn(BATCH, seq, WIDTH)) if encoding.looks_at else None
    with torch.set_grad_enabled(backward):
        out = phasor.attention(query, key, value, encoding, features=features)
    if backward:
        out.backward(torch.randn_like(out))


def measure(name: str, seq: int, backward: bool) -> None:
    """Print MiB and seconds."""
    torch.manual_seed(0)
    encoding = ENCODINGS[name]()
    attend(encoding, 2048, backward)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    clock, work = (
        HostClock(time.process_time_ns),
        Work(call=lambda _: attend(encoding, seq, backward)),
    )
    seconds = clock.seconds(work, 1)
    print(resident("VmHWM") - before, seconds)


def in_a_process(name: str, seq: int, backward: bool) -> tuple[float, float]:
    command = [sys.executable, __file__, "--case", name, "--seq", str(seq)]
    command += ["--backward"] if backward else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mib, seconds = map(float, done.stdout.split())
    return mib, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seq", type=int, default=16_384)
    parser.add_argument("--encodings", default=",".join(list(ENCODINGS)[1:]))
    parser.add_argument("--backward", action="store_true", help="a backward pass as well")
    parser.add_argument("--case", choices=ENCODINGS, help="measure this one, in this process")
    options = parser.parse_args()
    if options.case:
        measure(options.case, options.seq, options.backward)
        return
    passes = "forward and backward" if options.backward else "forward"
    print(
        f"[{BATCH}, {HEADS}, {options.seq}, {HEAD_DIM}] float32, causal, {passes}, CPU, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print(f"{'':10}{'MiB':>7}{'ratio':>7}{'s':>8}{'ratio':>7}")
    least, fastest = in_a_process("none", options.seq, options.backward)
    for name in ("none", *options.encodings.split(",")):
        mib, seconds = least, fastest
        if name != "none":
            mib, seconds = in_a_process(name, options.seq, options.backward)
        row = f"{name:10}{mib:7.0f}{mib / least:7.2f}{seconds:8.1f}{seconds / fastest:7.2f}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
