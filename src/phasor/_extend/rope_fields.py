"""The fields of a config that say how a rotary model turns, as each engine looks for them."""

from collections.abc import Mapping
from typing import Any

from phasor.rotary.scaling import LENGTH_KEY
from phasor.rotary.scaling.elsewhere import version_4_fields

LENGTH = "the longest sequence, from which engines size their caches"


def write_rope(
    config: dict[str, Any], rope_parameters: Mapping[str, Any], max_seq_len: int, what: str
) -> dict[str, str]:
    """Say the same to transformers 5 and to transformers 4, vLLM and llama.cpp.

    Args:
        config: As in `config.json`; changed.
        rope_parameters: In the words of transformers 5.
        max_seq_len: Tokens.
        what: The method, for people.

    Returns:
        Each field that differs, and why.
    """
    before = dict(config)
    reasons = {
        "rope_parameters": f"{what} (transformers 5)",
        "rope_theta": "the base, where transformers 4, vLLM and llama.cpp look for it",
        "rope_scaling": "the same as rope_parameters, for transformers 4, vLLM, llama.cpp",
        LENGTH_KEY: "the length past which transformers 4 takes the long factors",
        "max_position_embeddings": LENGTH,
    }
    config["rope_parameters"] = dict(rope_parameters)
    config["max_position_embeddings"] = max_seq_len
    # One of the model before would win over rope_parameters.
    config.pop("rope_scaling", None)
    older = version_4_fields(rope_parameters)
    older.pop("partial_rotary_factor", None)  # which share of channels turns stays where it was
    config |= older
    if LENGTH_KEY in config and LENGTH_KEY in rope_parameters:  # where it is, version 5 prefers it
        config[LENGTH_KEY] = rope_parameters[LENGTH_KEY]
    return {name: why for name, why in reasons.items() if config.get(name) != before.get(name)}
