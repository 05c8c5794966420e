"""What every encoding owes to whatever hangs on the call of a module, and to its own kind."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from contract.cases import CASES, DIM, HEADS, Layer, OnGrid, embeddings
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

import phasor
from phasor.errors import ArgumentError

SEQ = 13
# One case of each encoding with parameters.
LEARNED = sorted(
    {
        type(encoding): name
        for name, make in reversed(CASES.items())
        if list((encoding := make()).parameters())
    }.values()
)


@pytest.fixture(params=CASES)
def model(request: pytest.FixtureRequest) -> Layer:
    return Layer(CASES[request.param]()).double()


def gradients(out: Tensor, module: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(out.square().sum(), list(module.parameters())))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_what_is_prepared_holds_no_parameter(model: Layer, dtype: torch.dtype) -> None:
    model.to(dtype)
    own = {each.untyped_storage().data_ptr() for each in model.encoding.parameters()}
    prepared = model.encoding(torch.arange(SEQ), dtype=dtype)
    tensors = [leaf for leaf in tree_leaves(prepared) if isinstance(leaf, Tensor)]
    assert not own & {leaf.untyped_storage().data_ptr() for leaf in tensors if leaf.numel()}
    # Nor does anything else hide there: strings, numbers, dtypes and tensors alone.
    assert not [leaf for leaf in tree_leaves(prepared) if isinstance(leaf, nn.Module)]


def test_hooks_touch_no_parameter(model: Layer) -> None:
    """With all parameters gone after the call, as FSDP and offloading leave them."""
    x, positions = embeddings(), torch.arange(SEQ)
    with torch.no_grad():
        expected = model(x, positions)

    encoding = model.encoding
    for part in encoding.modules():
        if isinstance(part, phasor.PositionEncoding) and not isinstance(
            part, (phasor.Compose, OnGrid)
        ):
            whole = dict(part.named_parameters())
            kept = {name: each.detach().clone() for name, each in whole.items()}

            def load(of: nn.Module, _: object, kept: dict[str, Tensor] = kept) -> None:
                for name, each in of.named_parameters():
                    each.data = kept[name].clone()

            def free(of: nn.Module, *_: object) -> None:
                for each in of.parameters():
                    each.data.fill_(torch.nan)

            part.register_forward_pre_hook(load)
            part.register_forward_hook(free)
            for each in part.parameters():
                each.data.fill_(torch.nan)
    with torch.no_grad():
        assert_close(model(x, positions), expected, rtol=0, atol=0)


def test_of_another_encoding(model: Layer) -> None:
    other = phasor.Rotary(8) if not isinstance(model.encoding, phasor.Rotary) else phasor.NoPE()
    other = phasor.Sandwich(HEADS) if isinstance(other, phasor.NoPE) else other
    query, key, value = model.project(embeddings())
    prepared = model.encoding(torch.arange(SEQ), dtype=query.dtype)
    name, owner = type(other).__name__, type(model.encoding).__name__
    with pytest.raises(ArgumentError, match=rf"of {name} was given what {owner} prepared"):
        phasor.attention(query, key, value, other, prepared=prepared)


def test_checkpointed(model: Layer) -> None:
    x, positions = embeddings(), torch.arange(SEQ)
    expected = model(x, positions)
    out = checkpoint(model, x, positions, use_reentrant=False)
    assert isinstance(out, Tensor)
    for got, want in zip(gradients(out, model), gradients(expected, model), strict=True):
        assert_close(got, want)


def test_with_other_parameters(model: Layer) -> None:
    """By `torch.func.functional_call`."""
    x, positions = embeddings(), torch.arange(SEQ)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for each in other.parameters():
            each.mul_(1.1)
    out = torch.func.functional_call(model, dict(other.named_parameters()), (x, positions))
    assert_close(out, other(x, positions), rtol=0, atol=0)


def test_hooks_of_the_module_are_called() -> None:
    encoding, seen = phasor.FoX(DIM, HEADS), []
    encoding.register_forward_hook(lambda _, __, out: seen.append(type(out).__name__))
    Layer(encoding)(embeddings(dtype=torch.float32), torch.arange(SEQ))
    assert seen == ["Prepared", "Tensor", "Forgetting"]


def test_one_graph(model: Layer) -> None:
    model.float()
    x, positions = embeddings(dtype=torch.float32), torch.arange(SEQ)
    expected = model(x, positions)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_close(compiled(x, positions), expected)


@pytest.mark.parametrize("name", ["rotary", "learned", "t5", "kerple", "fire", "string"])
def test_exported(name: str) -> None:
    x, positions = embeddings(dtype=torch.float32), torch.arange(SEQ)
    model = Layer(CASES[name]()).float()
    program = torch.export.export(model, (x, positions))
    assert_close(program.module()(x, positions), model(x, positions))
    alone = torch.export.export(model.encoding, (positions,)).module()(positions)
    for got, want in zip(tree_leaves(alone), tree_leaves(model.encoding(positions)), strict=True):
        assert_close(got, want) if isinstance(want, Tensor) else None


def test_parts_of_the_heads(model: Layer) -> None:
    """What `heads` gives does to its heads what the whole does; or it says that it cannot."""
    encoding = model.encoding
    x, positions = embeddings(), torch.arange(SEQ)
    query, key, value = model.project(encoding.embed(x, encoding(positions, dtype=x.dtype)))
    own = getattr(encoding, "num_heads", None) or HEADS
    features = encoding.observe(x)
    prepared = encoding(positions, dtype=x.dtype)
    whole = phasor.attention(query, key, value, encoding, prepared=prepared, features=features)
    for half in range(2):
        heads, kv = slice(3 * half, 3 * half + 3), slice(half, half + 1)
        start = half * own // 2
        try:
            part = encoding.heads(start, start + own // 2)
        except NotImplementedError as error:
            assert "has no part for some of its heads; call it with all" in str(error)  # noqa: PT017
            return
        if isinstance(encoding, OnGrid) or encoding.looks_at:
            return
        for one, other in zip(part.parameters(), encoding.parameters(), strict=True):
            assert one is other
        out = phasor.attention(
            query[:, heads], key[:, kv], value[:, kv], part,
            prepared=part(positions, dtype=x.dtype),
        )  # fmt: skip
        assert_close(out, whole[:, heads], rtol=1e-12, atol=1e-12)


def test_heads_that_are_not_there() -> None:
    with pytest.raises(ArgumentError, match=r"GRAPEM has heads 0 to 3, got heads\(2, 5\)"):
        phasor.GRAPEM(8, num_heads=4).heads(2, 5)
    both = phasor.Compose(phasor.GRAPEM(8, num_heads=2), phasor.GRAPEM(8, num_heads=4))
    with pytest.raises(ArgumentError, match=r"one set of numbers for 2 heads.*pass multiples of 2"):
        both.heads(1, 3)
    assert [each.num_heads for each in both.heads(2, 4).encodings] == [1, 2]


def test_a_part_is_not_the_whole() -> None:
    grape, positions = phasor.GRAPEM(8, num_heads=4), torch.arange(3)
    query, half = torch.randn(1, 2, 3, 8), grape.heads(2, 4)
    with pytest.raises(ArgumentError, match=r"of GRAPEM\.heads\(2, 4\) was given what GRAPEM prep"):
        half.rotate(query, None, grape(positions))
    last = half.heads(1, 2)
    assert (last.first_head, last.num_heads) == (3, 1)


def test_each_layer_of_some_heads() -> None:
    shared = phasor.GRAPEM(8, num_heads=4)
    parts = phasor.PerLayer([shared, phasor.NoPE(), shared]).heads(0, 2)
    assert parts[0] is parts[2]
    assert parts[0].num_heads == 2
    assert isinstance(parts[1], phasor.NoPE)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store: Path = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", init_method=store.as_uri(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_fsdp_around_the_encoding_itself(name: str) -> None:
    """Which frees the parameters after each call, and brings them back for the gradients."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    x, positions = embeddings(dtype=torch.float32), torch.arange(SEQ)
    model = Layer(CASES[name]()).float()
    expected = model(x, positions)
    wanted = gradients(expected, model)
    mesh = init_device_mesh("cpu", (1,))
    for part in reversed(list(model.encoding.modules())):
        if isinstance(part, phasor.PositionEncoding) and list(part.parameters(recurse=False)):
            fully_shard(part, mesh=mesh, reshard_after_forward=True)
    fully_shard(model, mesh=mesh)
    out = model(x, positions)
    assert_close(out, expected)
    out.square().sum().backward()
    for parameter, want in zip(model.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        assert_close(parameter.grad.full_tensor(), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LEARNED)
def test_offloaded_by_accelerate(name: str) -> None:
    """Parameters are on the meta device but for the calls."""
    accelerate = pytest.importorskip("accelerate")
    x, positions = embeddings(dtype=torch.float32), torch.arange(SEQ)
    model = Layer(CASES[name]()).float()
    with torch.no_grad():
        expected = model(x, positions)
        accelerate.cpu_offload(model.encoding, execution_device=torch.device("cpu"))
        assert all(each.device.type == "meta" for each in model.encoding.parameters())
        assert_close(model(x, positions), expected, rtol=0, atol=0)
