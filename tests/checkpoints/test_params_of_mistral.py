"""Mistral's params.json, against what transformers makes of the same models' config.json.

The numbers are those that Mistral publishes of Mistral 7B v0.1, Mistral Small 3.1 and Ministral 3.
Held against copies of them elsewhere: the vision encoder and Ministral's `yarn` against the
fixtures of transformers' own tests of this format, the sizes of Small against the config.json of
the same model, what `yarn` means against `_remap_mistral_yarn_args` of vLLM.
"""

import re
from typing import Any

import pytest
from checkpoints.same_position import assert_same

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import RotarySpec

_7B = {
    "dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32,
    "n_kv_heads": 8, "norm_eps": 1e-05, "sliding_window": 4096, "vocab_size": 32000,
}  # fmt: skip
_SMALL = {
    "dim": 5120, "n_layers": 40, "head_dim": 128, "hidden_dim": 32768, "n_heads": 32,
    "n_kv_heads": 8, "rope_theta": 1000000000.0, "norm_eps": 1e-05, "vocab_size": 131072,
    "max_position_embeddings": 131072,
}  # fmt: skip
_VISION = {
    "hidden_size": 1024, "num_channels": 3, "max_image_size": 1540, "patch_size": 14,
    "rope_theta": 10000.0, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "adapter_bias": False, "mm_projector_id": "patch_merge",
    "spatial_merge_size": 2, "add_pre_mm_projector_layer_norm": True, "image_token_id": 10,
    "image_break_token_id": 12, "image_end_token_id": 13, "image_size": 1540,
}  # fmt: skip
_MINISTRAL = {
    "dim": 3072, "n_layers": 26, "head_dim": 128, "hidden_dim": 9216, "n_heads": 32,
    "n_kv_heads": 8, "rope_theta": 1000000.0, "norm_eps": 1e-05, "vocab_size": 131072,
    "tied_embeddings": True, "max_position_embeddings": 262144, "q_lora_rank": None,
    "qk_rope_head_dim": None, "qk_nope_head_dim": None, "kv_lora_rank": None, "v_head_dim": None,
    "llama_4_scaling": {"original_max_position_embeddings": 16384, "beta": 0.1},
    "yarn": {
        "original_max_position_embeddings": 16384, "factor": 16, "apply_scale": False, "beta": 32,
        "alpha": 1,
    },
}  # fmt: skip
_YARN = {
    "rope_type": "yarn", "rope_theta": 1000000.0, "factor": 16.0, "beta_fast": 32.0,
    "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0,
    "original_max_position_embeddings": 16384, "llama_4_scaling_beta": 0.1,
}  # fmt: skip


def as_config(params: dict[str, Any], model_type: str, **fields: Any) -> dict[str, Any]:
    """The config.json of the same model."""
    return {
        "model_type": model_type, "hidden_size": params["dim"], "head_dim": params["head_dim"],
        "num_hidden_layers": params["n_layers"], "num_attention_heads": params["n_heads"],
        "num_key_value_heads": params["n_kv_heads"], **fields,
    }  # fmt: skip


def test_mistral_7b() -> None:
    found = examine(_7B)
    wanted = as_config(_7B, "mistral", rope_theta=10000.0, sliding_window=4096)
    assert_same(found.spec, examine(wanted).spec, without=("max_seq_len",))
    assert found.notes == ("rope_theta is missing; Mistral's code takes 10000 here",)


def test_heads_are_as_wide_as_the_file_says() -> None:
    text = as_config(
        _SMALL, "mistral", rope_theta=1e9, sliding_window=None, max_position_embeddings=131072
    )
    found = examine({**_SMALL, "vision_encoder": _VISION})
    wanted = examine({
        "model_type": "mistral3", "text_config": text,
        "vision_config": {
            "model_type": "pixtral", "hidden_size": 1024, "num_hidden_layers": 24,
            "num_attention_heads": 16, "rope_theta": 10000.0, "image_size": 1540, "patch_size": 14,
            "head_dim": 64,
        },
    })  # fmt: skip
    assert_same(found.spec, wanted.spec)
    assert_same(found.spec.tower("vision"), wanted.spec.tower("vision"), without=("max_seq_len",))
    rotary = found.spec.layers[0].encodings[0]
    assert isinstance(rotary, RotarySpec)
    assert rotary.head_dim == 128
    assert rotary.layout == "interleaved"
    assert found.notes == ()


def test_ministral_3() -> None:
    wanted = as_config(
        _MINISTRAL, "ministral3", max_position_embeddings=262144, rope_parameters=_YARN,
        sliding_window=None,
    )  # fmt: skip
    found = examine(_MINISTRAL)
    assert_same(found.spec, examine(wanted).spec)
    assert found.notes == ()


def test_yarn_with_its_gain() -> None:
    scaled = {**_MINISTRAL, "yarn": {**_MINISTRAL["yarn"], "apply_scale": True}}
    # What transformers' default gain is without mscale.
    parameters = {**_YARN, "mscale": None, "mscale_all_dim": None}
    wanted = as_config(
        _MINISTRAL, "ministral3", max_position_embeddings=262144, rope_parameters=parameters,
        sliding_window=None,
    )  # fmt: skip
    assert_same(examine(scaled).spec, examine(wanted).spec)


def test_windows_by_layer() -> None:
    params = {**_SMALL, "n_layers": 6, "sliding_window": [None, 1024, 1024]}
    spec = phasor.read(params)
    assert [layer.window for layer in spec.layers] == [None, 1024, 1024] * 2
    spec = phasor.read({**_SMALL, "_sliding_window": 512})
    assert {layer.window for layer in spec.layers} == {512}


def test_the_base_that_is_not_stated() -> None:
    without = {name: value for name, value in _7B.items() if name != "sliding_window"}
    assert examine(without).notes == ("rope_theta is missing; Mistral's code takes 1e+06 here",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rope_thta": 3}, "rope_thta 3 is not known in a params.json of Mistral"),
        ({"multimodal": {"whisper_model_args": {}}}, "multimodal .* is not known"),
        ({"qk_rope_head_dim": 64, "qk_nope_head_dim": 128}, "only the rotation is read"),
        ({"yarn": {**_MINISTRAL["yarn"], "gamma": 2}}, "yarn.gamma 2 is not known"),
        ({"vision_encoder": {**_VISION, "rope_scale": 2}}, "vision_encoder.rope_scale 2"),
        ({"llama_4_scaling": {**_MINISTRAL["llama_4_scaling"], "p": 1}}, "llama_4_scaling.p 1"),
    ],
)
def test_what_is_not_known_is_doubted(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        phasor.read({**_MINISTRAL, **changed})
    notes = examine({**_MINISTRAL, **changed}, strict=False).notes
    assert any(re.search(said, note) for note in notes)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"head_dim": "128"}, "head_dim must be a whole number"),
        ({"yarn": 4}, "yarn must be an object"),
        ({"yarn": {"factor": 0.5, "original_max_position_embeddings": 8}}, "at least 1"),
        ({"yarn": {**_MINISTRAL["yarn"], "apply_scale": 1}}, "apply_scale must be true or false"),
        ({"sliding_window": [1, 2, 3, 4, 5, 6, 7]}, "a list whose length divides the 26 layers"),
        ({"sliding_window": [4, "x"]}, "sliding_window must be a whole number"),
        ({"sliding_window": 4, "_sliding_window": 4}, "two names of one number"),
        ({"llama_4_scaling": {"beta": 0.1}}, "original_max_position_embeddings is missing"),
        ({"vision_encoder": []}, "vision_encoder must be an object"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=f"^config: .*{said}"):
        phasor.read({**_MINISTRAL, **changed})


def test_metas_unknown_keys_are_doubted() -> None:
    meta = {"dim": 4096, "n_layers": 2, "n_heads": 32, "rope_theta": 5e5, "norm_eps": 1e-5}
    assert examine({**meta, "lora_args": {"rank": 16}, "vocab_size": -1}).notes == ()
    wide = examine({**meta, "head_dim": 256, "use_scaled_rope": True, "rope_scaling_factor": 8.0})
    rotary = wide.spec.layers[0].encodings[0]
    assert isinstance(rotary, RotarySpec)
    assert (rotary.head_dim, rotary.scaling) == (256, phasor.scaling.llama3(factor=8.0))
    with pytest.raises(ArgumentError, match="vision_num_cross_attention_layers 8 is not known"):
        phasor.read({**meta, "vision_num_cross_attention_layers": 8})
