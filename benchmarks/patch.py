"""What phasor's rotation is worth to a whole model: `python benchmarks/patch.py`.

A Llama of about 100 million random weights, with the rotation of transformers and with phasor's in
turns within one run: forward, training step, decoding, and the apply function alone as the model
calls it. On one thread, in the time of that thread: what else the machine does is not in it.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import phasor

SIZES = {
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "vocab_size": 16_384,
}


def seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def cases(model: LlamaForCausalLM, seq: int, tokens: int) -> dict[str, Callable[[], object]]:
    ids = torch.randint(0, SIZES["vocab_size"], (1, seq))

    @torch.no_grad()
    def forward() -> None:
        model(ids, use_cache=False)

    def step() -> None:
        model.zero_grad()
        model(ids, labels=ids, use_cache=False).loss.backward()

    def decode() -> None:
        model.generate(ids[:, :16], min_new_tokens=tokens, max_new_tokens=tokens, do_sample=False)

    return {f"forward, {seq}": forward, f"step, {seq}": step, f"decode, {tokens}": decode}


def rotations(
    model: LlamaForCausalLM, dtype: torch.dtype, seq: int
) -> dict[str, Callable[[], object]]:
    query = torch.randn(1, seq, 12, 64).to(dtype).transpose(1, 2)
    key = torch.randn(1, seq, 4, 64).to(dtype).transpose(1, 2)
    cos, sin = model.model.rotary_emb(query, torch.arange(seq)[None])
    attention = type(model.model.layers[0].self_attn)
    # What the model calls, patched or not.
    apply = attention.forward.__globals__["apply_rotary_pos_emb"]
    return {f"rotation, {seq}": lambda: apply(query, key, cos, sin)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    dtype = getattr(torch, given.dtype)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = LlamaForCausalLM._from_config(LlamaConfig(**SIZES), dtype=dtype)
    weights = sum(x.numel() for x in model.parameters()) / 1e6
    print(f"{weights:.0f}M weights, {given.dtype}, {torch.get_num_threads()} threads")
    times: dict[tuple[str, str], list[float]] = {}

    def measure(who: str) -> None:
        work = cases(model, given.seq, given.tokens)
        for name, run in work.items():
            times.setdefault((name, who), []).append(seconds(run))
        for seq in (given.seq, 1):
            for name, run in rotations(model, dtype, seq).items():
                with torch.no_grad():
                    once = [seconds(run) for _ in range(50)]
                times.setdefault((name, who), []).append(statistics.median(once))

    for number in range(given.rounds + 1):
        measure("transformers")
        for parity in ("bitwise", "rounded"):
            with phasor.patch(model, parity=parity):
                model(torch.zeros(1, 2, dtype=torch.long))
                measure(parity)
        if number == 0:
            times.clear()
    for name in dict.fromkeys(name for name, _ in times):
        base = times[name, "transformers"]
        print(f"{name:16s} transformers {1e3 * statistics.median(base):9.3f} ms", end="")
        for parity in ("bitwise", "rounded"):
            ratios = [a / b for a, b in zip(base, times[name, parity], strict=True)]
            low, _, high = statistics.quantiles(ratios, n=4)
            print(f"   {parity} {statistics.median(ratios):.2f}x ({low:.2f}..{high:.2f})", end="")
        print()


if __name__ == "__main__":
    main()
