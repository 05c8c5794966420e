"""What an inspection warns of, and that each warning says where it is known from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from spec.golden import GOLDEN
from spec.golden.layer import rotary_layer

import phasor
from phasor._inspect import inspect
from phasor._inspect.config_findings import config_findings
from phasor._inspect.finding import link
from phasor._inspect.known_defects import DEFECTS
from phasor.rotary.scaling import YaRN
from phasor.spec import ImagePeriodsSpec, LayerSpec, LearnedSpec, PositionSpec, RotarySpec

YARN = phasor.scaling.yarn(factor=4, original_seq_len=4096)


def mine(
    scaling: YaRN | None = YARN, *, max_seq_len: int = 16_384, **keywords: Any
) -> PositionSpec:
    layer = rotary_layer(64, scaling=scaling, **keywords)
    return PositionSpec(model="mine", layers=(layer,) * 4, max_seq_len=max_seq_len)


def codes(spec: PositionSpec, **keywords: Any) -> set[str]:
    return {finding.code for finding in inspect(spec, **keywords).findings}


BY_CODE: dict[str, tuple[Callable[[], PositionSpec], Callable[[], PositionSpec]]] = {
    "scaling-ignored": (mine, lambda: mine(None)),
    "yarn-factor-not-the-ratio": (lambda: mine(max_seq_len=32_768), mine),
    "attention-factor-dropped": (lambda: mine(replace(YARN, attention_factor=1.0)), mine),
    "mscales-cancel": (
        lambda: mine(replace(YARN, mscale=1.0, mscale_all_dim=1.0)),
        lambda: mine(replace(YARN, mscale=1.0, mscale_all_dim=0.5)),
    ),
    "softmax-gain": (GOLDEN["deepseek-v3"], GOLDEN["ministral-3-8b"]),
    "yarn-not-truncated": (GOLDEN["gpt-oss-20b"], GOLDEN["qwen2.5-7b-yarn"]),
    "yarn-clamp": (
        lambda: mine(replace(YARN, original_seq_len=62_832)),
        lambda: mine(replace(YARN, original_seq_len=62_831)),
    ),
    "changes-with-length": (
        lambda: PositionSpec(
            model="mine",
            layers=(
                rotary_layer(
                    64, scaling=phasor.scaling.dynamic_ntk(factor=2, original_seq_len=2048)
                ),
            ),
        ),
        mine,
    ),
    "switches-with-length": (GOLDEN["phi-3-mini-128k"], GOLDEN["phi-3-mini-4k"]),
    "partial-rotary": (GOLDEN["gpt-neox-20b"], GOLDEN["deepseek-v3"]),
    "proportional-rotary": (GOLDEN["gemma-4-31b"], GOLDEN["gemma-3-4b"]),
    "scaled-in-some-layers": (GOLDEN["gemma-3-4b"], GOLDEN["gpt-oss-20b"]),
    "layers-without-encoding": (GOLDEN["smollm3-3b"], GOLDEN["gpt-2"]),
    "indexer-turns-otherwise": (GOLDEN["deepseek-v3.2"], GOLDEN["deepseek-v3"]),
    "alibi-slopes": (GOLDEN["bloom-176b"], GOLDEN["mpt-7b"]),
    "left-padding": (GOLDEN["gpt-2"], GOLDEN["llama-7b"]),
    "float32-angles": (GOLDEN["llama-4-scout"], GOLDEN["llama-7b"]),
    "bfloat16-buffers": (GOLDEN["llama-7b"], GOLDEN["mpt-7b"]),
    "base-not-10000": (GOLDEN["qwen3-8b"], GOLDEN["llama-7b"]),
    "tf32-angles": (GOLDEN["llama-2-7b"], GOLDEN["llama-7b"]),
    "meta-init": (GOLDEN["llama-7b"], GOLDEN["t5-base"]),
    "unseen-angles": (GOLDEN["llama-3.1-8b"], GOLDEN["qwen2.5-7b-yarn"]),
    "no-trained-length": (
        lambda: replace(mine(None), max_seq_len=None),
        mine,
    ),
}


@pytest.mark.parametrize("code", BY_CODE)
def test_each_finding_is_there_where_it_holds_and_not_where_it_does_not(code: str) -> None:
    holds, does_not = BY_CODE[code]
    assert code in codes(holds())
    assert code not in codes(does_not())


def test_every_known_defect_is_tried() -> None:
    assert {defect.code for defect in DEFECTS} <= set(BY_CODE)


def test_past_its_length_a_model_is_warned_of_and_within_it_only_noted() -> None:
    levels = {}
    for length in (131_072, 262_144):
        found = inspect(GOLDEN["llama-3.1-8b"](), length=length).findings
        levels[length] = next(f.level for f in found if f.code == "unseen-angles")
    assert levels == {131_072: "note", 262_144: "warning"}


@pytest.mark.parametrize("name", GOLDEN)
def test_every_finding_has_a_reference_and_warnings_come_first(name: str) -> None:
    found = inspect(GOLDEN[name]()).findings
    assert all(finding.references and all(finding.references) for finding in found)
    levels = [finding.level for finding in found]
    assert levels == sorted(levels, reverse=True)
    assert len({(finding.code, finding.text) for finding in found}) == len(found)


def config(*, top: dict[str, Any] | None = None, **rope: Any) -> dict[str, Any]:
    return {"max_position_embeddings": 8192, "rope_parameters": rope, **(top or {})}


YARN_CONFIG = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10_000}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (config(rope_type="default", rope_theta=5e5), "theta-inside"),
        (config(top={"rope_theta": 1e6}, rope_type="default", rope_theta=5e5), "two-thetas"),
        (config(**YARN_CONFIG), "original-length-missing"),
        (
            config(
                top={"original_max_position_embeddings": 4096},
                **YARN_CONFIG,
                original_max_position_embeddings=2048,
            ),
            "two-original-lengths",
        ),
        (config(**YARN_CONFIG, attention_factor=1.0, mscale=1.0), "attention-factor-twice"),
        (config(**YARN_CONFIG, attention_factor=1.0, attn_factor=1.0), "attention-factor-twice"),
        (config(rope_type="default", type="linear"), "two-rope-types"),
        (config(top={"rope_scaling": {"type": "linear", "factor": 2.0}}), "two-rope-dictionaries"),
        (
            config(top={"partial_rotary_factor": 0.5}, partial_rotary_factor=0.25),
            "two-partial-factors",
        ),
    ],
)
def test_what_a_config_says_twice_or_not_at_all(given: dict[str, Any], code: str) -> None:
    assert code in {finding.code for finding in config_findings(given)}
    # The same inside the text model of one that sees images, and for each type of layer.
    assert code in {finding.code for finding in config_findings({"text_config": given})}


def test_layer_types_are_looked_into() -> None:
    nested = config(
        sliding_attention={"rope_type": "default", "rope_theta": 10_000}, full=YARN_CONFIG
    )
    (finding,) = config_findings(nested)
    assert finding.code == "original-length-missing"
    assert "rope_parameters.full" in finding.text


def test_a_config_without_fault_is_not_blamed() -> None:
    assert config_findings(config(top={"rope_theta": 10_000}, **YARN_CONFIG,
                                  original_max_position_embeddings=2048)) == []  # fmt: skip
    assert config_findings({"model_type": "gpt2"}) == []
    odd = {"rope_parameters": [1], "rope_scaling": "yes", "text_config": 5, "rope_theta": None}
    assert config_findings(odd) == []


def test_what_is_known_of_this_file_is_not_said_of_all_files() -> None:
    spec = GOLDEN["qwen3-8b"]()
    assert "base-not-10000" in codes(spec)
    inside = config(rope_type="default", rope_theta=1e6)
    assert "theta-inside" in codes(spec, config=inside)
    assert "base-not-10000" not in codes(spec, config=inside)


def test_links() -> None:
    assert link("owner/name#12") == "https://github.com/owner/name/issues/12"
    assert link("arXiv:2309.00071") == "https://arxiv.org/abs/2309.00071"
    assert link("transformers 5, modeling_rope_utils.py") is None


def test_of_the_patches_of_an_image_nothing_is_said_that_holds_of_text() -> None:
    table = LearnedSpec(num_positions=50, dim=64)
    rotary = RotarySpec(head_dim=64, frequencies=ImagePeriodsSpec(rotary_dim=64), layout="half")
    layer = LayerSpec(encodings=(rotary,))
    image = PositionSpec(model="tower", layers=(layer,), embedding=table, max_seq_len=None)
    assert not codes(image) & {"left-padding", "base-not-10000"}
    assert "left-padding" in codes(replace(image, max_seq_len=50))
