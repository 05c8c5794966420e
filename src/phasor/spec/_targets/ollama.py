"""Ollama's Modelfile parameters: the length alone.

The rotation is that of the GGUF file which `FROM` names: `rope_frequency_base` and
`rope_frequency_scale` are among neither the parameters of `docs/modelfile.mdx` (071c82b1) nor the
options of `api/types.go` (00a4cb26), which had them once.
"""

from typing import TYPE_CHECKING

from phasor.spec._targets.stack import refused

if TYPE_CHECKING:
    from phasor.spec.position_spec import PositionSpec


def to_ollama(spec: "PositionSpec") -> dict[str, int]:
    """See `PositionSpec.to_ollama`."""
    if spec.max_seq_len is None:
        raise refused(
            spec, "Ollama", "it names no max_seq_len, and num_ctx is all that a Modelfile can say"
        )
    return {"num_ctx": spec.max_seq_len}
