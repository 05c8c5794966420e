"""phasor's rotation in a model of transformers: what a user may do with the model then."""

import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import phasor
from phasor._patch.patch import Patched

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 160,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
ATTENTION = "model.layers.0.self_attn", "model.layers.1.self_attn"


def llama(**more: object) -> nn.Module:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, **more)).eval()


@pytest.fixture
def model() -> nn.Module:
    return llama()


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(3, 160, (2, 12), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.dtype]]:
    """The dtypes of the queries that reach the kernel's operator or its short way."""
    from phasor._patch import rule

    seen: list[torch.dtype] = []
    inner = rule.rotate_by_table

    def rotate_by_table(query: torch.Tensor, *args: object, **kwargs: object) -> object:
        seen.append(query.dtype)
        return inner(query, *args, **kwargs)

    monkeypatch.setattr(rule, "rotate_by_table", rotate_by_table)
    return seen


def test_says_what_it_replaced_and_restores_it(
    model: nn.Module, ids: torch.Tensor, counted: list[torch.dtype]
) -> None:
    before, classes = model(ids).logits, [type(m) for m in model.modules()]
    patched = phasor.patch(model)
    assert isinstance(patched, Patched)
    assert patched.replaced == {"modeling_llama.apply_rotary_pos_emb": ATTENTION}
    assert patched.untouched == {}
    assert patched.parity == "bitwise"
    counted.clear()  # what was compared before
    assert torch.equal(model(ids).logits, before)
    assert len(counted) == 2
    phasor.unpatch(model)
    assert [type(m) for m in model.modules()] == classes
    assert not model._forward_hooks
    assert torch.equal(model(ids).logits, before)
    assert len(counted) == 2


def test_is_a_context_that_ends_even_where_something_fails(
    model: nn.Module, ids: torch.Tensor, counted: list[torch.dtype]
) -> None:
    def fails() -> None:
        with phasor.patch(model):
            counted.clear()
            model(ids)
            model(ids + 1000)

    with pytest.raises(IndexError):
        fails()
    assert len(counted) == 2
    model(ids)
    assert len(counted) == 2
    with phasor.patch(model):
        phasor.unpatch(model)


def test_another_model_of_the_class_is_untouched(
    model: nn.Module, ids: torch.Tensor, counted: list[torch.dtype]
) -> None:
    other = llama()
    with phasor.patch(model):
        counted.clear()
        assert torch.equal(other(ids).logits, model(ids).logits)
        assert len(counted) == 2
        assert isinstance(model.model.layers[0].self_attn, type(other.model.layers[0].self_attn))


def test_rounded_is_nearer_to_the_truth_in_half_precision(ids: torch.Tensor) -> None:
    """Against the rotation in float64, on the same bfloat16 query and key."""
    from transformers.models.llama import modeling_llama

    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 4, 50, 32).to(torch.bfloat16)
    rotary = modeling_llama.LlamaRotaryEmbedding(transformers.LlamaConfig(**SIZES))
    positions = torch.arange(50)[None]
    inv_freq = 10_000.0 ** (-torch.arange(0, 32, 2, dtype=torch.float64) / 32)
    angle = torch.outer(positions[0].double(), inv_freq)
    turn = torch.complex(angle.cos(), angle.sin())
    pairs = torch.complex(*query.double().split(16, dim=-1)) * turn
    truth = torch.cat((pairs.real, pairs.imag), dim=-1)
    theirs, _ = modeling_llama.apply_rotary_pos_emb(query, key, *rotary(query, positions))
    config = transformers.LlamaConfig(**SIZES)
    # Not `.to`, which rounds the frequencies too, whoever rotates.
    model = transformers.LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    patched = phasor.patch(model, parity="rounded")
    assert patched.tables == ("model.rotary_emb",)
    cos, sin = model.model.rotary_emb(query, positions)
    assert cos.dtype == torch.float32
    site = type(model.model.layers[0].self_attn).forward.__globals__["apply_rotary_pos_emb"]
    ours, _ = site(query, key, cos, sin)
    assert ours.dtype == torch.bfloat16
    # Half a unit in the last of 8 bits, and an angle of 50 rounded to float32.
    assert ((ours.double() - truth).abs() <= truth.abs() * 2**-8 + 2e-5).all()
    assert (theirs.double() - truth).norm() > 1.3 * (ours.double() - truth).norm()


@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_no_kernel_is_needed(
    parity: str, dtype: torch.dtype, ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phasor.kernels import cpu

    model = llama().to(dtype)
    before = model(ids).logits
    monkeypatch.setattr(cpu, "why_missing", lambda: "absent")
    with phasor.patch(model, parity=parity):
        after = model(ids).logits
    if parity == "bitwise":
        assert torch.equal(before, after)
    else:
        rtol = 32 * torch.finfo(dtype).eps
        assert (before - after).double().norm() < rtol * before.double().norm()


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
def test_generates_the_same_tokens(
    model: nn.Module, ids: torch.Tensor, cache: str, parity: str
) -> None:
    how = {"max_new_tokens": 20, "do_sample": False, "cache_implementation": cache,
           "disable_compile": True, "attention_mask": torch.ones_like(ids)}  # fmt: skip
    before = model.generate(ids, **how)
    with phasor.patch(model, parity=parity):
        after = model.generate(ids, **how)
    assert before.shape[1] > ids.shape[1]
    assert torch.equal(before, after)


def gradients(model: nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    model(ids, labels=ids).loss.backward()
    return [x.grad.clone() for x in model.parameters() if x.grad is not None]


def test_trains_with_gradient_checkpointing(model: nn.Module, ids: torch.Tensor) -> None:
    before = gradients(model.train(), ids)
    model.activation_checkpointing_enable()
    assert model.model.layers[0].gradient_checkpointing
    with phasor.patch(model):
        assert all(map(torch.equal, before, gradients(model, ids)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
def test_compiles_in_one_graph(dtype: torch.dtype, parity: str, ids: torch.Tensor) -> None:
    model = llama(attn_implementation="sdpa").to(dtype)
    with phasor.patch(model, parity=parity):
        expected, back = model(ids, use_cache=False).logits, gradients(model, ids)
    phasor.patch(model, parity=parity)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(ids, use_cache=False).logits, expected)
    assert all(map(torch.equal, back, gradients(compiled, ids)))


def test_a_copy_is_patched_too(
    model: nn.Module, ids: torch.Tensor, counted: list[torch.dtype]
) -> None:
    phasor.patch(model)
    twin = copy.deepcopy(model)
    phasor.unpatch(model)
    counted.clear()
    assert torch.equal(twin(ids).logits, model(ids).logits)
    assert len(counted) == 2
    assert twin.model.layers[0].self_attn.q_proj.weight is not (
        model.model.layers[0].self_attn.q_proj.weight
    )
    phasor.unpatch(twin)
    twin(ids)
    assert len(counted) == 2


def test_is_saved_and_pickled_as_it_was(
    model: nn.Module, ids: torch.Tensor, tmp_path: Path, counted: list[torch.dtype]
) -> None:
    keys, expected = list(model.state_dict()), model(ids).logits
    with phasor.patch(model, parity="rounded"):
        assert list(model.state_dict()) == keys
        model.save_pretrained(tmp_path)
        pickled = pickle.dumps(model)
    counted.clear()
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    for other in (loaded, pickle.loads(pickled)):
        assert torch.equal(other(ids).logits, expected)
        with pytest.raises(phasor.errors.ArgumentError, match="is not patched"):
            phasor.unpatch(other)
    assert not counted


def test_says_when_a_forward_pass_does_not_reach_it(model: nn.Module, ids: torch.Tensor) -> None:
    phasor.patch(model)
    model.model.layers = nn.ModuleList()
    message = r"LlamaForCausalLM called none of \['modeling_llama.apply_rotary_pos_emb'\]"
    with pytest.raises(RuntimeError, match=message):
        model(ids)


def test_refuses_what_it_cannot_do(model: nn.Module) -> None:
    with pytest.raises(TypeError, match="must be a model of transformers, got str"):
        phasor.patch("meta-llama/Llama-3.2-1B")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape("one of ['bitwise', 'rounded'], got 'exact'")):
        phasor.patch(model, parity="exact")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="LlamaForCausalLM is not patched"):
        phasor.unpatch(model)
    with pytest.raises(ValueError, match=r"Linear has no rotation .* no method"):
        phasor.patch(nn.Linear(2, 2))
    phasor.patch(model)
    with pytest.raises(ValueError, match=r"patched already; call phasor.unpatch\(model\) first"):
        phasor.patch(model)


def test_refuses_a_function_that_its_rotation_does_not_repeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kernel that errs, say: it is compared with the function before it is used."""
    from phasor._patch import rule

    inner = rule.rotate_by_table

    def wrong(*args: object, **kwargs: object) -> object:
        return [None if x is None else x * 1.001 for x in inner(*args, **kwargs)]

    monkeypatch.setattr(rule, "rotate_by_table", wrong)
    for parity in ("bitwise", "rounded"):
        with pytest.raises(ValueError, match="apply_rotary_pos_emb: phasor's rotation differs"):
            phasor.patch(llama(), parity=parity)


def test_a_table_of_two_angles_for_a_pair_is_kept_as_it_is() -> None:
    """Where the two halves of a table differ, as with Hunyuan's image positions."""
    from transformers.models.llama import modeling_llama

    from phasor._patch.site import Site

    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 4, 5, 32)
    cos, sin = torch.randn(2, 1, 5, 32)
    original = modeling_llama.apply_rotary_pos_emb
    site = Site(original, "apply", "bitwise", one_angle=False)
    for ours, theirs in zip(
        site(query, key, cos, sin), original(query, key, cos, sin), strict=True
    ):
        assert torch.equal(ours, theirs)
