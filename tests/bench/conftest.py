"""Fakes that stand in for libraries and clocks."""

import pytest
import torch

from phasor._bench.shapes import Shape
from phasor._bench.workload import Workload


@pytest.fixture
def small() -> Shape:
    return Shape(name="1x4+2x8x16", batch=1, query_heads=4, key_heads=2, seq=8, head_dim=16)


@pytest.fixture
def decoding() -> Shape:
    return Shape(name="3x4+2x1x16", batch=3, query_heads=4, key_heads=2, seq=1, head_dim=16)


@pytest.fixture(params=["half", "interleaved"])
def workload(request: pytest.FixtureRequest, small: Shape) -> Workload:
    return Workload(
        shape=small, dtype=torch.float32, device=torch.device("cpu"), layout=request.param
    )
