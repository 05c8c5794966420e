"""Two readers of one configuration may not disagree on what turns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phasor._convert.agreement import check_agreement
from phasor._convert.families import FAMILIES
from phasor._convert.heads import heads_of_config, heads_of_params
from phasor.errors import ArgumentError

WHERE = Path("config.json")
LLAMA: dict[str, Any] = {"model_type": "llama", "num_attention_heads": 4, "hidden_size": 64}
PHI = {**LLAMA, "model_type": "phi", "partial_rotary_factor": 0.5}


def test_they_agree() -> None:
    for config in (LLAMA, PHI, {**LLAMA, "model_type": "nanochat"}, {**LLAMA, "head_dim": 32}):
        check_agreement(heads_of_config(config, WHERE), config, WHERE)
    params = {"dim": 64, "n_heads": 4, "n_layers": 2, "norm_eps": 1e-5, "rope_theta": 5e5}
    check_agreement(heads_of_params(params, WHERE), params, WHERE)


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (LLAMA, {"head_dim": 32}, "the leading 32 of 32 .* its spec the leading 16 of 16 channels"),
        (PHI, {"rotary_dim": 4}, "the leading 4 of 16 .* its spec the leading 8 of 16 channels"),
        (LLAMA, {"family": FAMILIES[2]}, "in interleaved pairs, but by its spec .* in half pairs"),
        (
            {**LLAMA, "model_type": "nanochat"},
            {"family": FAMILIES[0]},
            "in half pairs, but by its spec .* in half pairs, by minus the angle",
        ),
        ({**LLAMA, "model_type": "smollm3", "no_rope_layers": [0, 0], "num_hidden_layers": 2}, {},
         "but by its spec nothing turns"),
        ({**LLAMA, "rope_parameters": {"rope_type": "default", "rope_theta": "x"}}, {},
         "config.json: rope_theta must be a number, got 'x'"),
    ],
)  # fmt: skip
def test_they_do_not(config: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    heads = replace(heads_of_config(config, WHERE), **changes)
    with pytest.raises(ArgumentError, match=message):
        check_agreement(heads, config, WHERE)
