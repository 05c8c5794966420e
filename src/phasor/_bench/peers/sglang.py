"""SGLang's kernel over a table, in place."""

from phasor._bench.peers.token_rows import row_contender, unknown_head_dim

PEER = row_contender(
    "sglang",
    function="sgl_kernel.apply_rope_with_cos_sin_cache_inplace",
    package="sgl-kernel",
    limit=unknown_head_dim,
)
