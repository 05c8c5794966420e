"""What phasor's rotation is worth to a whole model: `python benchmarks/patch.py`.

A Llama of about 100 million random weights, with the rotation of transformers and with phasor's in
turns within one run: forward, training step, decoding, and the apply function alone as the model
calls it. On one thread, in the time of that thread: what else the machine does is not in it.
"""

import argparse
import copy

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import phasor
from phasor._bench.clocks import HostClock
from phasor._bench.timing import Work, interleaved

SIZES = {
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "vocab_size": 16_384,
}


BASELINE = "transformers"
PARITIES = ("bitwise", "rounded")


def models(dtype: torch.dtype) -> dict[str, LlamaForCausalLM]:
    """One for each rotation, all with the same weights."""
    model = LlamaForCausalLM._from_config(LlamaConfig(**SIZES), dtype=dtype)
    shared = {id(weight): weight for weight in model.parameters()}
    found = {BASELINE: model}
    for parity in PARITIES:
        found[parity] = copy.deepcopy(model, dict(shared))
        phasor.patch(found[parity], parity=parity)
    for each in found.values():
        each(torch.zeros(1, 2, dtype=torch.long))
    return found


def cases(model: LlamaForCausalLM, seq: int, tokens: int) -> dict[str, Work]:
    ids = torch.randint(0, SIZES["vocab_size"], (1, seq))

    @torch.no_grad()
    def forward(_: object) -> None:
        model(ids, use_cache=False)

    def step(_: object) -> None:
        model.zero_grad()
        model(ids, labels=ids, use_cache=False).loss.backward()

    def decode(_: object) -> None:
        model.generate(ids[:, :16], min_new_tokens=tokens, max_new_tokens=tokens, do_sample=False)

    works = {f"forward, {seq}": forward, f"step, {seq}": step, f"decode, {tokens}": decode}
    return {name: Work(call=call) for name, call in works.items()}


def rotations(model: LlamaForCausalLM, dtype: torch.dtype, seq: int) -> dict[str, Work]:
    query = torch.randn(1, seq, 12, 64).to(dtype).transpose(1, 2)
    key = torch.randn(1, seq, 4, 64).to(dtype).transpose(1, 2)
    cos, sin = model.model.rotary_emb(query, torch.arange(seq)[None])
    attention = type(model.model.layers[0].self_attn)
    # What the model calls, patched or not.
    apply = attention.forward.__globals__["apply_rotary_pos_emb"]
    return {f"rotation, {seq}": Work(call=lambda _: apply(query, key, cos, sin))}


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
    who = models(dtype)
    weights = sum(x.numel() for x in who[BASELINE].parameters()) / 1e6
    print(f"{weights:.0f}M weights, {given.dtype}, {torch.get_num_threads()} threads")
    whole = {name: cases(model, given.seq, given.tokens) for name, model in who.items()}
    report(whole, given.rounds)
    with torch.no_grad():
        alone = {
            name: rotations(model, dtype, given.seq) | rotations(model, dtype, 1)
            for name, model in who.items()
        }
        report(alone, given.rounds)


def report(works: dict[str, dict[str, Work]], rounds: int) -> None:
    """Time `works[who][case]`, and print a line for each case."""
    flat = {f"{case}, {name}": work for name, each in works.items() for case, work in each.items()}
    samples = interleaved(flat, HostClock(), rounds=rounds)
    for case in works[BASELINE]:
        base = samples[f"{case}, {BASELINE}"]
        print(f"{case:16s} transformers {1e3 * base.median:9.3f} ms", end="")
        for parity in PARITIES:
            ratio = base.over(samples[f"{case}, {parity}"])
            print(f"   {parity} {ratio.median:.2f}x ({ratio.low:.2f}..{ratio.high:.2f})", end="")
        print()


if __name__ == "__main__":
    main()
