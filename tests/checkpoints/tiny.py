"""Tiny random models of every text architecture of transformers that can turn.

`subjects.json` has one line for each config class: what must be changed from small sizes so that a
model can be built and run. Found by running them; see docs/reference/architectures.md.
"""

import dataclasses
import inspect
import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

BATCH, SEQ = 2, 11
SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd"), 128),
    **dict.fromkeys(("num_attention_heads", "n_head"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("encoder_num_attention_heads", "decoder_num_attention_heads"), 4),
    **dict.fromkeys(("encoder_num_key_value_heads", "decoder_num_key_value_heads"), 4),
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("encoder_num_hidden_layers", "decoder_num_hidden_layers"), 2),
    **dict.fromkeys(("intermediate_size", "moe_intermediate_size", "ffn_dim"), 64),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 16),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "head_dim", "index_head_dim"), 32),
    **dict.fromkeys(("n_routed_experts", "num_experts", "num_local_experts"), 4),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace", "moe_layer_freq"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx"), 256),
    **dict.fromkeys(("attention_dropout", "hidden_dropout", "dropout"), 0.0),
    **dict.fromkeys(("attention_probs_dropout_prob", "hidden_dropout_prob"), 0.0),
    "num_key_value_heads": 2,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "shared_expert_intermediate_size": 64,
    "vocab_size": 160,
    "rotary_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "mamba_d_state": 8,
    "index_n_heads": 2,
    "index_topk": 64,
    "num_codebooks": 4,
    "sliding_window": 4,
    "vocab_size_per_layer_input": 160,
    "hidden_size_per_layer_input": 32,
}


@dataclass(frozen=True)
class Subject:
    """A config class, and how to make a small model of it.

    `defaults` are fields that keep their defaults, `config` those that are set; `row` is the row
    of the table where the class has no `model_type`; `positions` is "default" where the model
    takes none; `scaled_before` says that queries are scaled before they turn; `without` names
    towers that this class does not run;
    `halves_out` says that neighbours are paired and come out in two halves;
    `grid` describes the patches of an image, see grids.py.
    """

    name: str
    folder: str
    config: dict[str, Any] = field(default_factory=dict)
    defaults: tuple[str, ...] = ()
    model: str | None = None
    inputs: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    codebooks: int | None = None
    inputs_embeds: int | None = None
    input_ids: bool = True
    positions: str = "given"
    row: str | None = None
    scaled_before: bool = False
    without: tuple[str, ...] = ()
    halves_out: bool = False
    grid: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def config_class(self) -> type[PreTrainedConfig]:
        name = f"transformers.models.{self.folder}.configuration_{self.folder}"
        return getattr(import_module(name), self.name)

    def build(self) -> tuple[Any, nn.Module]:
        """A config, and a random model of it that does the same each time."""
        config = self.config_class(**self.arguments())
        return config, self.model_of(config)

    def model_of(self, config: Any) -> nn.Module:
        """A random model of a config of this class, the same each time."""
        torch.manual_seed(0)
        config._attn_implementation = "eager"
        model = self._model_class(config)(config).eval()
        with torch.no_grad():  # some leave parameters as the memory was
            for parameter in model.parameters():
                parameter.nan_to_num_(0.0, 0.0, 0.0).clamp_(-1.0, 1.0)
        return model

    def some_inputs(self) -> dict[str, Tensor]:
        inputs = {}
        if self.inputs_embeds is not None:
            inputs["inputs_embeds"] = torch.randn(BATCH, SEQ, self.inputs_embeds)
        elif self.input_ids:
            shape = (BATCH, SEQ) if self.codebooks is None else (BATCH, SEQ, self.codebooks)
            inputs["input_ids"] = torch.randint(3, 60, shape)
        for name, ((kind, shape),) in ((n, i.items()) for n, i in self.inputs.items()):
            draws = {"randn": torch.randn, "ones": _ones, "ids": _ids, "values": torch.tensor}
            inputs[name] = draws[kind](shape)
        return inputs

    def arguments(self) -> dict[str, Any]:
        made: dict[str, Any] = _sizes_of(self.config_class)
        for name, part in (getattr(self.config_class, "sub_configs", None) or {}).items():
            if isinstance(part, type) and part.__name__ not in ("AutoConfig", "PreTrainedConfig"):
                made[name] = _sizes_of(part)
        for name, value in self.config.items():
            merge = isinstance(value, dict) and isinstance(made.get(name), dict)
            made[name] = {**made[name], **value} if merge else value
        return {name: value for name, value in made.items() if name not in self.defaults}

    def _model_class(self, config: Any) -> type[PreTrainedModel]:
        modeling = import_module(f"transformers.models.{self.folder}.modeling_{self.folder}")
        if self.model is not None:
            return getattr(modeling, self.model)
        name = MODEL_MAPPING_NAMES.get(config.model_type)
        name = name[0] if isinstance(name, (list, tuple)) else name
        if name is not None and getattr(modeling, name, None) is not None:
            found = getattr(modeling, name)
            if found.config_class is type(config):
                return found
        classes = [
            each
            for each in vars(modeling).values()
            if inspect.isclass(each)
            and issubclass(each, PreTrainedModel)
            and each.__module__ == modeling.__name__
            and "PreTrained" not in each.__name__
        ]
        own = [each for each in classes if each.config_class is type(config)]
        own = own or [
            each for each in classes if self.name in str(inspect.signature(each.__init__))
        ]
        return min(own, key=lambda each: (not each.__name__.endswith("Model"), len(each.__name__)))


def subjects(file: str = "subjects.json") -> dict[str, Subject]:
    rows = json.loads(Path(__file__).with_name(file).read_text())
    return {name: _subject(name, row) for name, row in rows.items()}


def _subject(name: str, row: dict[str, Any]) -> Subject:
    row = {("model" if key == "class" else key): value for key, value in row.items()}
    row["defaults"] = tuple(row.get("defaults", ()))
    row["without"] = tuple(row.get("without", ()))
    return Subject(name, **row)


def _sizes_of(config_class: type) -> dict[str, Any]:
    names = set(inspect.signature(config_class.__init__).parameters)
    if dataclasses.is_dataclass(config_class):
        names |= {each.name for each in dataclasses.fields(config_class)}
    return {name: size for name, size in SIZES.items() if name in names}


def _ones(shape: list[int]) -> Tensor:
    return torch.ones(shape, dtype=torch.long)


def _ids(shape: list[int]) -> Tensor:
    return torch.randint(3, 60, shape)
