"""Arguments of a wrong kind get one sentence that says what to pass."""

from collections.abc import Callable

import pytest
import torch

import phasor
from phasor.errors import ArgumentTypeError

QUERY = torch.randn(1, 2, 3, 8)


def attend(encoding: object) -> torch.Tensor:
    return phasor.attention(QUERY, QUERY, QUERY, encoding)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attend("rotary"), "got 'rotary'; make one, such as phasor.Rotary(head_dim)"),
        (lambda: attend(phasor.Rotary), "got the class Rotary; make one: Rotary"),
        (lambda: attend(phasor.PerLayer([phasor.NoPE()])), "got the encodings of all layers; pass"),
        (lambda: attend(torch.ones(3)), "encoding must be a position encoding or None, got Tensor"),
        (
            lambda: phasor.Rotary(64, scaling={"rope_type": "yarn", "factor": 4.0}),
            "scaling must be one such as phasor.scaling.yarn(factor=4, original_seq_len=4096), got "
            "dict {'rope_type': 'yarn', 'factor': 4.0}",
        ),
        (lambda: phasor.Rotary(64, scaling="yarn"), "got str 'yarn'"),
        (
            lambda: phasor.PositionSpec(model="m", layers=(phasor.Rotary(64),)),
            "layers must hold LayerSpec, got Rotary; a spec is made of data",
        ),
        (lambda: phasor.ALiBi("8"), "num_heads of ALiBi must be an integer, got str '8'"),
        (
            lambda: phasor.ALiBi(torch.tensor([8, 8])),
            "num_heads of ALiBi must be an integer, got Tensor",
        ),
    ],
)
def test_one_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        call()
    assert message in str(caught.value)
