"""Attention as the formulas say it, one score at a time; nothing of it is phasor's."""

import math
from typing import Any

import torch
from torch import Tensor


def oracle(query: Tensor, key: Tensor, value: Tensor, slopes: list[float], **rules: Any) -> Tensor:
    """`slopes` are ALiBi's, zeros for none; `rules` are arguments of `phasor.attention`."""
    batch, heads, seq, head_dim = query.shape
    key_seq = key.shape[2]
    scale = rules["scale"] or 1 / math.sqrt(head_dim)
    rows = []
    for b in range(batch):
        for h in range(heads):
            of_key = h * key.shape[1] // heads
            for i in range(seq):
                keys = [j for j in range(key_seq) if _allowed(b, h, i, j, seq, key_seq, rules)]
                if not keys:
                    rows.append(torch.zeros_like(value[b, of_key, 0]) + 0 * query[b, h, i].sum())
                    continue
                score = key[b, of_key, keys] @ query[b, h, i] * scale
                distance = [abs(i + key_seq - seq - j) for j in keys]
                score = score - slopes[h] * torch.tensor(distance, dtype=score.dtype)
                if rules["softcap"] is not None:
                    score = rules["softcap"] * torch.tanh(score / rules["softcap"])
                rows.append(score.softmax(0) @ value[b, of_key, keys])
    return torch.stack(rows).unflatten(0, (batch, heads, seq))


def _allowed(b: int, h: int, i: int, j: int, seq: int, key_seq: int, rules: dict[str, Any]) -> bool:
    distance = i + key_seq - seq - j
    if rules["causal"] and distance < 0:
        return False
    if rules["window"] is not None and abs(distance) >= rules["window"]:
        return False
    if rules["key_documents"] is not None:
        documents = rules["key_documents"].reshape(-1, key_seq)
        own = documents[min(b, len(documents) - 1)].tolist()
        if own[j] != own[i + key_seq - seq]:
            return False
    if rules["mask"] is None:
        return True
    sizes = rules["mask"].shape
    at = (min(place, size - 1) for place, size in zip((b, h, i, j), sizes, strict=True))
    return bool(rules["mask"][tuple(at)])
