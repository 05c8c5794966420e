"""What `phasor extend` writes for transformers 4 is what a spec's way out says to it."""

from typing import Any

import pytest

import phasor
from phasor._extend.rope_fields import write_rope
from phasor.rotary.scaling import rope_parameters
from phasor.spec import GeometricSpec, LayerSpec, PositionSpec, RotarySpec

LENGTH = 4096
ORIGINAL = "original_max_position_embeddings"
SCALINGS = [
    None,
    phasor.scaling.linear(factor=4),
    phasor.scaling.ntk(factor=4),
    phasor.scaling.dynamic_ntk(factor=4, original_seq_len=LENGTH),
    phasor.scaling.yarn(factor=4, original_seq_len=1024, beta_fast=16.0),
    phasor.scaling.llama3(factor=4, original_seq_len=1024),
    phasor.scaling.longrope(
        short_factor=[1.0] * 16, long_factor=[4.0] * 16, original_seq_len=1024, factor=4.0
    ),
]


@pytest.mark.parametrize("scaling", SCALINGS, ids=str)
def test_both_ways_write_the_same_for_version_4(scaling: Any) -> None:
    rule = GeometricSpec(rotary_dim=32, base=500_000.0)
    rotary = RotarySpec(head_dim=32, frequencies=rule, scaling=scaling)
    spec = PositionSpec(model="llama", layers=(LayerSpec(encodings=(rotary,)),), max_seq_len=LENGTH)
    config: dict[str, Any] = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    reasons = write_rope(config, rope_parameters(scaling, rule.build()), LENGTH, "a method")
    wanted = spec.to_hf(4)
    for name in ("rope_theta", "rope_scaling", ORIGINAL, "max_position_embeddings"):
        assert config.get(name) == wanted.get(name)
    assert {name for name in reasons if name in config} == config.keys()


def test_a_length_beside_the_scaling_is_kept_in_step() -> None:
    """Where a config has it, transformers 5 takes it in place of the one within."""
    config: dict[str, Any] = {ORIGINAL: 7}
    yarn = phasor.scaling.yarn(factor=4, original_seq_len=1024)
    write_rope(config, rope_parameters(yarn, phasor.geometric(32)), LENGTH, "yarn")
    assert config[ORIGINAL] == config["rope_scaling"][ORIGINAL] == 1024
