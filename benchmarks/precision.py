"""How far off cosines are, by position: fixed-point phase and float32 product, against mpmath.

python benchmarks/precision.py [--base 500000] [--head-dim 128]
"""

import argparse

import mpmath
import torch

import phasor

POSITIONS = (100, 2_047, 8_191, 131_071, 1_048_575, 10_000_000, 2**31 - 1)


def exact_cos(position: int, base: float, head_dim: int) -> torch.Tensor:
    """Cosines of the true angles: the base's powers, too, are taken to 50 digits."""
    with mpmath.workdps(50):
        values = [
            float(mpmath.cos(position * mpmath.power(base, mpmath.mpf(-2 * pair) / head_dim)))
            for pair in range(head_dim // 2)
        ]
    return torch.tensor(values, dtype=torch.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=float, default=500_000.0)
    parser.add_argument("--head-dim", type=int, default=128)
    arguments = parser.parse_args()
    frequencies = phasor.geometric(arguments.head_dim, arguments.base)
    print(f"largest error of cos over {frequencies.pairs} pairs, base {arguments.base:g}")
    print(f"{'position':>12}  {'exact':>8}  {'float32':>8}")
    for position in POSITIONS:
        truth = exact_cos(position, arguments.base, arguments.head_dim)
        errors = []
        for precision in ("exact", "float32"):
            cos, _ = phasor.cos_sin(torch.tensor([position]), frequencies, precision=precision)
            errors.append((cos[0].double() - truth).abs().max().item())
        print(f"{position:>12,}  {errors[0]:8.1e}  {errors[1]:8.1e}")


if __name__ == "__main__":
    main()
