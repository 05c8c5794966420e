"""LoRA adapters: adapted and then converted is converted and then adapted."""

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.converting.models import build, save
from checkpoints.converting.test_families import contents
from safetensors.torch import save_file

from phasor._convert.convert import plan, write
from phasor._convert.families import BY_MODEL_TYPE, PairLayout
from phasor._convert.json_file import read_object, write_object
from phasor._convert.proof import prove
from phasor._convert.source import read_source
from phasor.errors import ArgumentError

RANK = 3
CASES: list[tuple[str, dict[str, tuple[int, int]]]] = [
    ("llama", {"model.layers.{}.self_attn.q_proj": (48, 48),
               "model.layers.{}.self_attn.k_proj": (24, 48),
               "model.layers.{}.self_attn.v_proj": (24, 48),
               "model.layers.{}.mlp.up_proj": (64, 48)}),
    ("phi3", {"model.layers.{}.self_attn.qkv_proj": (96, 48)}),
    ("codegen", {"transformer.h.{}.attn.qkv_proj": (192, 64)}),
    ("deepseek_v3", {"model.layers.{}.self_attn.q_b_proj": (56, 14),
                     "model.layers.{}.self_attn.kv_a_proj_with_mqa": (18, 48)}),
    ("gpt_neox", {"gpt_neox.layers.{}.attention.query_key_value": (144, 48)}),
]  # fmt: skip


def adapter(folder: Path, modules: dict[str, tuple[int, int]], **config: Any) -> Path:
    folder.mkdir()
    tensors = {}
    for layer in range(2):
        for module, (rows, columns) in modules.items():
            name = f"base_model.model.{module.format(layer)}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(RANK, columns)
            tensors[f"{name}.lora_B.weight"] = torch.randn(rows, RANK)
            tensors[f"{name}.lora_magnitude_vector"] = torch.rand(rows)
    save_file(tensors, folder / "adapter_model.safetensors")
    write_object(folder / "adapter_config.json", {"peft_type": "LORA", "r": RANK, **config})
    return folder


@pytest.mark.parametrize(("model_type", "modules"), CASES, ids=[case[0] for case in CASES])
def test_adapted_then_converted(
    model_type: str, modules: dict[str, tuple[int, int]], tmp_path: Path
) -> None:
    usual = BY_MODEL_TYPE[model_type].layout
    other: PairLayout = "interleaved" if usual == "half" else "half"
    base = save(model_type, tmp_path / "base")
    lora = adapter(tmp_path / "lora", modules)
    old, weights = contents(lora), contents(base)

    def adapted(weights: dict[str, torch.Tensor], lora: dict[str, torch.Tensor]) -> dict[str, Any]:
        """What PEFT's DoRA multiplies with, spelled out."""
        result = dict(weights)
        for layer in range(2):
            for module in modules:
                name = module.format(layer)
                found = [
                    lora[f"base_model.model.{name}.{part}"]
                    for part in ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector")
                ]
                sum_ = weights[f"{name}.weight"] + found[1] @ found[0]
                result[f"{name}.weight"] = found[2][:, None] * sum_ / sum_.norm(dim=1)[:, None]
        return result

    whole = tmp_path / "whole"
    whole.mkdir()
    save_file(adapted(weights, old), whole / "model.safetensors")
    (whole / "config.json").write_bytes((base / "config.json").read_bytes())
    for name, extra in (("base", None), ("whole", None), ("lora", base)):
        planned = plan(read_source(tmp_path / name, base=extra), layout=other)
        write(planned, tmp_path / f"{name}-there", verify=lambda at, p=planned: prove(p, at))  # type: ignore[misc]
    new = contents(tmp_path / "lora-there")
    want = contents(tmp_path / "whole-there")
    got = adapted(contents(tmp_path / "base-there"), new)
    assert any(not torch.equal(old[name], new[name]) for name in old)
    for name in want:
        torch.testing.assert_close(got[name], want[name])
    still = [name for name in old if "lora_A" in name or ".v_proj" in name or "mlp" in name]
    assert all(torch.equal(old[name], new[name]) for name in still)

    marked = read_object(tmp_path / "lora-there" / "adapter_config.json")
    assert marked == {"peft_type": "LORA", "r": RANK, "phasor": {"layout": other}}
    back = plan(read_source(tmp_path / "lora-there", base=base), layout=usual)
    write(back, tmp_path / "back")
    assert all(
        torch.equal(old[name], tensor) for name, tensor in contents(tmp_path / "back").items()
    )
    assert read_object(tmp_path / "back" / "adapter_config.json") == read_object(
        lora / "adapter_config.json"
    )


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_names_are_those_of_peft(tmp_path: Path) -> None:
    """An adapter as PEFT saves it, with the rows that transformers' model has."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        r=RANK, target_modules=["q_proj", "k_proj"], use_dora=True, init_lora_weights=False
    )
    save("llama", tmp_path / "base")
    peft.get_peft_model(build("llama"), config).save_pretrained(tmp_path / "lora")
    planned = plan(read_source(tmp_path / "lora", base=tmp_path / "base"), layout="interleaved")
    kinds = {name.split("_proj.")[1] for name in planned.turnings}
    assert kinds == {"lora_B.weight", "lora_magnitude_vector"}
    assert len(planned.turnings) == 8


@pytest.mark.parametrize(
    ("change", "base", "message"),
    [
        ({"peft_type": "LOKR"}, True, "peft_type in .* must be 'LORA', got 'LOKR'"),
        ({}, False, "pass the model's folder with base="),
        ({"phasor": {"layout": "diagonal"}}, True, "no layout 'diagonal'"),
        ({"phasor": 7}, True, "must be an object, got 7"),
    ],
)
def test_adapters_that_will_not_do(
    change: dict[str, Any], base: bool, message: str, tmp_path: Path
) -> None:
    (tmp_path / "base").mkdir()
    write_object(
        tmp_path / "base" / "config.json",
        {"model_type": "llama", "num_attention_heads": 4, "hidden_size": 48},
    )
    lora = adapter(tmp_path / "lora", CASES[0][1], **change)
    with pytest.raises(ArgumentError, match=message):
        read_source(lora, base=tmp_path / "base" if base else None)
