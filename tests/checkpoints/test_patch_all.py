"""Every text architecture of transformers that rotates: logits and gradients, bit for bit.

What dtypes it computes in is measured meanwhile, and compared with the table.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.rotating_models import inputs_of, model_of
from torch import Tensor, nn

import phasor
from phasor._patch.site import Form, Site
from phasor._read.architectures import architectures

pytest.importorskip("transformers")

FOLDERS = json.loads(Path(__file__).with_name("architectures.json").read_text())["folders"]

# What `patch` names and leaves alone: these rotate in a method of their attention, or (clvp) turn
# query, key and value by positions that the function looks up itself.
UNTOUCHED = {
    "ClvpEncoderConfig": r"modeling_clvp\.apply_rotary_pos_emb: .* not a rotation of pairs",
    "RoFormerConfig": "no method of its modules calls a function of cos and sin",
    "Wav2Vec2BertConfig": "no method of its modules calls a function of cos and sin",
    "Wav2Vec2ConformerConfig": "no method of its modules calls a function of cos and sin",
}


# Dtype of the tables, that of the products if all is cast first, and that of the result.
_AS_IS = ("bfloat16", None, "bfloat16")
DTYPES = {
    frozenset({_AS_IS}): "activations",
    frozenset({("float32", None, "bfloat16")}): "float32 tables",
    frozenset({("bfloat16", "float32", "bfloat16")}): "float32 products",
    frozenset({("float32", "float32", "bfloat16")}): "float32",
    frozenset({_AS_IS, ("float32", None, "float32")}): "float32 in part",
}


class Recorded:
    """What the substitutes ask about dtypes while a patched model runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: set[tuple[str | None, ...]] = set()
        original = Site.arithmetic

        def recorded(site: Site, form: Form, dtype: torch.dtype, table: torch.dtype) -> Any:
            found = original(site, form, dtype, table)
            if found is not None:
                dtypes = (table, found.wide, found.out)
                self.seen.add(tuple(each and str(each).removeprefix("torch.") for each in dtypes))
            return found

        monkeypatch.setattr(Site, "arithmetic", recorded)


def tensors_of(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if isinstance(output, dict):
        output = list(output.values())
    return [x for y in output for x in tensors_of(y)] if isinstance(output, list | tuple) else []


def run(model: nn.Module, inputs: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """All that comes out, and the gradients of all weights."""
    torch.manual_seed(3)
    model.zero_grad()
    out = tensors_of(model(**inputs))
    sum(x.float().square().mean() for x in out if x.requires_grad).backward()
    gradients = [x.grad.clone() for x in model.parameters() if x.grad is not None]
    return [x.detach().clone() for x in out], gradients


def distance(some: list[Tensor], other: list[Tensor]) -> float:
    pairs = [(x.double(), y.double()) for x, y in zip(some, other, strict=True)]
    return max(float((x - y).norm() / x.norm().clamp(min=1e-9)) for x, y in pairs)


def test_few_are_left_alone() -> None:
    assert len(FOLDERS) == 179
    assert len(FOLDERS) - len(UNTOUCHED) >= 175


PARTS = 4


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", list(FOLDERS)[metafunc.cls.part :: PARTS])


@pytest.mark.filterwarnings("ignore:(?!.*phasor)")
class Architectures:
    """Classes, for each may go to another worker."""

    part: int

    def test_logits_and_gradients(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        recorded = Recorded(monkeypatch)
        model = model_of(name, FOLDERS[name])
        stated = architectures().get(model.config.model_type)
        model.config.use_cache = False
        for dtype in (torch.float32, torch.bfloat16):
            model, inputs = model.to(dtype), inputs_of(name, dtype)
            if name in UNTOUCHED:
                with pytest.raises(phasor.errors.ArgumentError, match=UNTOUCHED[name]):
                    phasor.patch(model)
                assert stated is not None
                assert stated.dtype == "unmeasured"
                continue
            before = run(model, inputs)
            with phasor.patch(model) as patched:
                recorded.seen.clear()
                same = run(model, inputs)
            if dtype == torch.bfloat16 and stated is not None:
                assert DTYPES[frozenset(recorded.seen)] == stated.dtype
            assert not patched.untouched
            for some, other in zip(before, same, strict=True):
                assert all(map(torch.equal, some, other)), dtype
            with phasor.patch(model, parity="rounded"), torch.no_grad():
                near = tensors_of(model(**inputs))
            rounding = torch.finfo(dtype).eps
            assert distance(before[0], near) < 32 * rounding, dtype


class TestFirst(Architectures):
    part = 0


class TestSecond(Architectures):
    part = 1


class TestThird(Architectures):
    part = 2


class TestFourth(Architectures):
    part = 3
