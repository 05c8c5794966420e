"""Queries that grow with their position."""

from collections.abc import Callable

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import MOST_TOKENS, Fields
from phasor.spec import QueryTemperatureSpec, SSMaxSpec

Temperature = tuple[QueryTemperatureSpec | SSMaxSpec, ...]


def read_temperature(fields: Fields, row: Architecture, *, turns: bool) -> Temperature:
    """The temperature of one layer, if its architecture has any."""
    return () if row.temperature is None else _RULES[row.temperature](fields, turns)


def _llama4(fields: Fields, turns: bool) -> Temperature:
    """Layers that do not turn, if the config asks for it."""
    if turns or not fields.get("attn_temperature_tuning"):
        return ()
    return (
        QueryTemperatureSpec(
            original_seq_len=int(fields.number("floor_scale")),
            coefficient=fields.number("attn_scale"),
            offset=1,
        ),
    )


def _ministral(fields: Fields, turns: bool) -> Temperature:
    """All layers, by numbers that stand among the rope parameters."""
    parameters = Fields(fields.get("rope_parameters", {}), fields.notes)
    return (
        QueryTemperatureSpec(
            original_seq_len=parameters.whole("original_max_position_embeddings", most=MOST_TOKENS),
            coefficient=parameters.number("llama_4_scaling_beta"),
        ),
    )


def _beam(_: Fields, turns: bool) -> Temperature:
    """Layers that do not turn; the numbers stand in the code."""
    spec = QueryTemperatureSpec(original_seq_len=2048, coefficient=0.1, offset=1, growth="power")
    return () if turns else (spec,)


def _of_each_head(fields: Fields, _: bool) -> Temperature:
    """Mistral Large 4: all layers learn it."""
    return (SSMaxSpec(num_heads=fields.whole("num_attention_heads")),)


_RULES: dict[str, Callable[[Fields, bool], Temperature]] = {
    "llama4": _llama4,
    "ministral": _ministral,
    "beam": _beam,
    "of_each_head": _of_each_head,
}
