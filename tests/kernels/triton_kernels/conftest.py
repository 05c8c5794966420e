"""Where the kernels run: on a GPU, or on the CPU under Triton's interpreter."""

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(
    params=[
        pytest.param("cpu", marks=pytest.mark.interpreter),
        pytest.param("cuda", marks=pytest.mark.gpu),
    ]
)
def device(request: pytest.FixtureRequest) -> torch.device:
    """The CPU under the interpreter, and the GPU where there is one."""
    pytest.importorskip("triton", reason="Triton is not installed")
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if request.param == "cpu" and not interpreted:
        pytest.skip("set TRITON_INTERPRET=1 to run the kernels under Triton's interpreter")
    if request.param == "cuda" and (interpreted or not torch.cuda.is_available()):
        pytest.skip("there is no CUDA device, or TRITON_INTERPRET=1 keeps the kernels off it")
    return torch.device(request.param)


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Fills fresh tensors with NaN, so that what is not written is seen."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)
