"""The float32 angles that peers take their cos and sin from."""

import torch

from phasor._bench.workload import BASE, Workload


def inv_freq(workload: Workload) -> torch.Tensor:
    """`[pairs]`, the frequencies in float32, as every peer forms them."""
    dim = workload.shape.head_dim
    return 1.0 / BASE ** (torch.arange(0, dim, 2, device=workload.device).float() / dim)


def angle_table(workload: Workload) -> torch.Tensor:
    """`[positions, pairs]`, the angles of every position from 0 on."""
    positions = torch.arange(workload.num_positions, device=workload.device)
    return torch.outer(positions.float(), inv_freq(workload))


def angles(workload: Workload) -> torch.Tensor:
    """`[seq, pairs]`, or `[batch, 1, pairs]` in a decoding step: the angles of each token."""
    return workload.positions[..., None].float() * inv_freq(workload)
