"""Learned vectors of distances."""

from collections.abc import Callable

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import MOST_TOKENS, Fields
from phasor.spec import (
    DeBERTaSpec,
    RelativeLogitsSpec,
    ScoreTemperatureSpec,
    ShawSpec,
    TransformerXLSpec,
)
from phasor.spec.sites import LayerEncodingSpec

Encodings = tuple[LayerEncodingSpec, ...]


def read_relative(fields: Fields, row: Architecture) -> Encodings | None:
    """The encodings of one layer by the row's mechanism, or `None` where it is another one."""
    rule = _RULES.get(row.mechanism)
    return None if rule is None else rule(fields, row)


def _shaw(fields: Fields, row: Architecture) -> Encodings:
    return (
        ShawSpec(
            head_dim=fields.whole("hidden_size") // fields.whole(row.heads),
            max_distance=fields.whole("left_max_position_embeddings"),
            max_ahead=fields.whole("right_max_position_embeddings"),
        ),
    )


def _transformer_xl(fields: Fields, row: Architecture) -> Encodings:
    if fields.number("clamp_len", -1) > 0 or fields.get("bi_data"):
        raise fields.notes.wrong(
            "clamp_len and bi_data change distances, which is not supported; leave them at -1 and "
            "false"
        )
    dim, heads = fields.whole("hidden_size"), fields.whole(row.heads)
    head_dim = fields.whole_or("head_dim", dim // heads)
    assert head_dim is not None
    return (TransformerXLSpec(dim=dim, head_dim=head_dim, num_heads=heads),)


def _deberta(fields: Fields, row: Architecture) -> Encodings:
    if not fields.get("relative_attention"):
        return ()
    products = fields.get("pos_att_type") or []
    if sorted(products) != ["c2p", "p2c"]:
        raise fields.notes.wrong(
            f"pos_att_type {products!r} is not supported: DeBERTa here has both, c2p and p2c"
        )
    # Both are -1 where there is none.
    buckets = int(fields.number("position_buckets", -1))
    distance = int(fields.number("max_relative_positions", -1))
    heads, dim = fields.whole(row.heads), fields.whole("hidden_size")
    return (
        DeBERTaSpec(
            dim=dim,
            head_dim=dim // heads,
            num_heads=heads,
            max_distance=fields.whole("max_position_embeddings") if distance < 1 else distance,
            num_buckets=buckets if buckets > 0 else None,
        ),
    )


def _relative_logits(fields: Fields, row: Architecture) -> Encodings:
    logits = RelativeLogitsSpec(
        dim=fields.whole("hidden_size"),
        num_heads=fields.whole(row.heads),
        extent=fields.whole("rel_extent"),
        rank=fields.whole("d_rel"),
    )
    length = fields.whole_or("log_scaling_n_floor", None, most=MOST_TOKENS)
    if length is None:
        return (logits,)
    coefficient = fields.number("log_scaling_alpha")
    return logits, ScoreTemperatureSpec(original_seq_len=length, coefficient=coefficient)


_RULES: dict[str, Callable[[Fields, Architecture], Encodings]] = {
    "shaw": _shaw,
    "transformer_xl": _transformer_xl,
    "deberta": _deberta,
    "relative_logits": _relative_logits,
}
