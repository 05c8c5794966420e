"""Each way out as text to paste."""

import json
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from phasor.errors import unknown_name

if TYPE_CHECKING:
    from phasor.spec.position_spec import PositionSpec


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, indent=2)


TARGETS: dict[str, Callable[["PositionSpec"], str]] = {
    "hf": lambda spec: _json(spec.to_hf()),
    "vllm": lambda spec: shlex.join(spec.to_vllm()),
    "llama.cpp": lambda spec: shlex.join(spec.to_llama_cpp().flags),
    "ollama": lambda spec: "\n".join(
        f"PARAMETER {name} {value}" for name, value in spec.to_ollama().items()
    ),
    "megatron": lambda spec: shlex.join(spec.to_megatron()),
    "mlx": lambda spec: _json(spec.to_mlx()),
}
"""By the name of `phasor inspect --as`."""


def as_text(spec: "PositionSpec", target: str) -> tuple[str, str | None]:
    """What to pass to `target`, and what else it needs that no flag says.

    Raises:
        ArgumentError: An unknown target, or one that cannot do what the spec says.
    """
    if target not in TARGETS:
        raise unknown_name("there is no target", target, list(TARGETS))
    text = TARGETS[target](spec)
    needed = spec.to_llama_cpp().only_in_file if target == "llama.cpp" else ()
    if not needed:
        return text, None
    return text, f"no flag says this, so the GGUF file must hold it: {', '.join(needed)}"
