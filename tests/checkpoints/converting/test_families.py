"""Every architecture in the table: the converted weights give the logits of the old ones.

The old ones run in transformers as it is, so a layout that the table has wrong shows here.
"""

from pathlib import Path

import pytest
import torch
from checkpoints.converting.models import save
from safetensors.torch import load_file

from phasor._convert.convert import plan, write
from phasor._convert.families import BY_MODEL_TYPE, PAIR_LAYOUTS, PairLayout
from phasor._convert.json_file import read_object, write_object
from phasor._convert.logits import compare_logits, why_not
from phasor._convert.proof import prove
from phasor._convert.source import read_source
from phasor.errors import ArgumentError


def contents(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


def convert(source: Path, target: Path, layout: PairLayout) -> float:
    planned = plan(read_source(source), layout=layout)
    assert why_not(planned) is None
    differences = []

    def verify(folder: Path) -> None:
        prove(planned, folder)
        differences.append(compare_logits(planned, folder))

    write(planned, target, verify=verify)
    return differences[0]


@pytest.mark.parametrize("model_type", sorted(BY_MODEL_TYPE))
def test_logits_stay_and_the_way_back_is_exact(model_type: str, tmp_path: Path) -> None:
    source = save(model_type, tmp_path / "source")
    usual = BY_MODEL_TYPE[model_type].layout
    for layout in set(PAIR_LAYOUTS) - {usual}:
        there, back = tmp_path / layout, tmp_path / f"{layout}-back"
        assert convert(source, there, layout) < 2e-5
        write(plan(read_source(there), layout=usual), back)
        assert {file.name for file in back.iterdir()} == {file.name for file in source.iterdir()}
        assert read_object(back / "config.json") == read_object(source / "config.json")
        old, moved, new = contents(source), contents(there), contents(back)
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) for name in old)
        assert any(not torch.equal(old[name], moved[name]) for name in old)
        # The mark alone, on weights that were not converted, is noticed.
        for file in source.glob("*.safetensors"):
            (there / file.name).write_bytes(file.read_bytes())
        with pytest.raises(ArgumentError, match="gives other logits"):
            compare_logits(plan(read_source(source), layout=layout), there)


@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("falcon", {"new_decoder_architecture": False, "multi_query": True}),
        ("falcon", {"new_decoder_architecture": False, "multi_query": False, "num_kv_heads": 4}),
        ("phi", {"qk_layernorm": False}),
        ("stablelm", {"qk_layernorm": False}),
        ("phi3", {"partial_rotary_factor": 0.5, "hidden_size": 64}),
        ("llama", {"tie_word_embeddings": True}),
        ("gptj", {"rotary_dim": 12}),
    ],
)
def test_other_builds(model_type: str, changes: dict[str, object], tmp_path: Path) -> None:
    source = save(model_type, tmp_path / "source", **changes)
    usual = BY_MODEL_TYPE[model_type].layout
    for layout in set(PAIR_LAYOUTS) - {usual}:
        assert convert(source, tmp_path / layout, layout) < 2e-5


@pytest.mark.parametrize("forgotten", ["key", "bias", "layout"])
def test_the_proofs_notice_what_is_wrong(forgotten: str, tmp_path: Path) -> None:
    """Weights that were converted but for one thing."""
    source, there = save("llama", tmp_path / "source"), tmp_path / "there"
    convert(source, there, "interleaved")
    planned = plan(read_source(source), layout="interleaved")
    prove(planned, there)
    old = contents(source)
    words = {"key": "k_proj.weight", "bias": "q_proj.bias"}
    if forgotten == "layout":
        config = read_object(there / "config.json")
        config["phasor"]["layout"] = "half-reversed"
        write_object(there / "config.json", config)
    else:
        from safetensors.torch import save_file

        for file in there.glob("*.safetensors"):
            tensors = load_file(file)
            wrong = {name: old[name] for name in tensors if words[forgotten] in name}
            save_file({**tensors, **wrong}, file, metadata={"format": "pt"})
    with pytest.raises(ArgumentError, match="gives other logits"):
        compare_logits(planned, there)
    if forgotten == "key":
        with pytest.raises(ArgumentError, match=r"k_proj\.weight does not give the products"):
            prove(planned, there)


def test_transformers_refuses_what_it_would_compute_wrongly(tmp_path: Path) -> None:
    from transformers import AutoConfig

    source = save("llama", tmp_path / "source")
    convert(source, tmp_path / "there", "interleaved")
    with pytest.raises(ValueError, match="llama-interleaved"):
        AutoConfig.from_pretrained(tmp_path / "there")
