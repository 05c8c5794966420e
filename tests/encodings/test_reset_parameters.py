"""Learned encodings that were made without memory get their values afterwards."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import phasor

MAKE: dict[str, Callable[[], nn.Module]] = {
    "cope": lambda: phasor.CoPE(16),
    "deberta": lambda: phasor.DeBERTa(16, 8, 2, max_distance=8),
    "decomposed": lambda: phasor.DecomposedBias(8, window=(3, 4)),
    "fope": lambda: phasor.FoPE(16, num_heads=2),
    "grape-m": lambda: phasor.GRAPEM(16, num_heads=2),
    "liere": lambda: phasor.LieRE(16, num_heads=2, axes=2),
    "path": lambda: phasor.PaTH(16, 8, num_heads=2),
    "pope": lambda: phasor.PoPE(16, num_heads=2, random_phase=True),
    "relative-logits": lambda: phasor.RelativeLogits(16, 2, extent=8),
    "shaw": lambda: phasor.Shaw(16),
    "selective-rotary": lambda: phasor.SelectiveRotary(16, 8, num_heads=2),
    "string": lambda: phasor.STRING(16, num_heads=2, axes=2),
    "transformer-xl": lambda: phasor.TransformerXL(16, 8, 2),
}


@pytest.mark.parametrize("name", MAKE)
def test_after_to_empty(name: str) -> None:
    torch.manual_seed(5)
    wanted = MAKE[name]().state_dict()
    with torch.device("meta"):
        encoding = MAKE[name]()
    assert all(parameter.is_meta for parameter in encoding.parameters())
    encoding = encoding.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in encoding.parameters():
            parameter.fill_(float("nan"))
    torch.manual_seed(5)
    encoding.reset_parameters()  # type: ignore[operator]
    assert encoding.state_dict().keys() == wanted.keys() != set()
    for key, value in encoding.state_dict().items():
        assert_close(value, wanted[key], rtol=0, atol=0)
