"""vLLM's kernel over a table in the dtype of the activations, in place."""

from phasor._bench.contender import UP_TO_FLOAT32
from phasor._bench.peers.token_rows import row_contender

PEER = row_contender(
    "vllm",
    function="vllm._custom_ops.rotary_embedding",
    package="vllm",
    dtypes=UP_TO_FLOAT32,
    table_dtype=None,
)
