"""FSDP, both of them, takes any encoding: one process, a group of one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from contract.cases import CASES, Layer, embeddings
from torch import nn
from torch.testing import assert_close

# One case of each encoding; those without parameters give FSDP nothing to do.
LEARNED = list(
    {
        type(encoding): name
        for name, make in reversed(CASES.items())
        if list((encoding := make()).parameters())
    }.values()
)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store: Path = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", init_method=store.as_uri(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def by_fsdp1(module: nn.Module) -> nn.Module:
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel(module, device_id=torch.device("cpu"), use_orig_params=True)


def by_fsdp2(module: nn.Module) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    return fully_shard(module, mesh=init_device_mesh("cpu", (1,)))


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("shard", [by_fsdp1, by_fsdp2])
@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_sharded_layer_gives_the_same(name: str, shard: Callable[[nn.Module], nn.Module]) -> None:
    x, positions = embeddings(dtype=torch.float32), torch.arange(13)
    layer = Layer(CASES[name]()).float()
    expected = layer(x, positions)
    wanted = torch.autograd.grad(expected.square().sum(), list(layer.parameters()))
    sharded = shard(layer)
    out = sharded(x, positions)
    assert_close(out, expected)
    out.square().sum().backward()
    for parameter, want in zip(sharded.parameters(), wanted, strict=True):
        grad = parameter.grad
        assert grad is not None
        whole = grad.full_tensor() if hasattr(grad, "full_tensor") else grad
        assert_close(whole, want, rtol=1e-4, atol=1e-5)
