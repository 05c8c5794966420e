"""Whatever stands in a config, there is a spec or one sentence; never a traceback or a hang."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from phasor._read import examine
from phasor.errors import PhasorError

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 256,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "rope_theta": 1e4,
        "head_dim": 64,
        "max_position_embeddings": 99,
        "rope_scaling": {"type": "yarn", "factor": 2.0, "mscale": 1.0},
    },
    "gemma3_text": {
        "layer_types": ["full_attention"] * 2,
        "num_hidden_layers": 2,
        "sliding_window": 4,
        "query_pre_attn_scalar": 3,
    },
    "qwen2_vl": {"text_config": {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}},
    "phi3": {"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}},
    "granite_swa": {"layer_rope_theta": [1.0] * 80},
    "t5": {"num_heads": 4, "relative_attention_num_buckets": 8},
    "opt": {"hidden_size": 8, "max_position_embeddings": 4},
}
WRONG = [None, -1, 0, 10**12, float("nan"), "x", [], {}, [None], True, 1.5]


def places(config: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in config.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


@pytest.mark.parametrize("model_type", CONFIGS)
def test_wrong_values_in_every_place(model_type: str) -> None:
    refused = []
    for place in places(CONFIGS[model_type]):
        for value in WRONG:
            config = json.loads(json.dumps({"model_type": model_type, **CONFIGS[model_type]}))
            inner = config
            for name in place[:-1]:
                inner = inner[name]
            inner[place[-1]] = value
            try:
                examine(config, strict=False)
            except PhasorError as error:
                refused.append(str(error))
    assert refused
    assert not any("\n" in sentence for sentence in refused)
