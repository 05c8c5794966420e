"""What is added to token embeddings."""

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import MOST_TOKENS, Fields
from phasor.spec import LearnedSpec, SinusoidalSpec
from phasor.spec.sites import EmbeddingSpec


def read_embedding(fields: Fields, row: Architecture) -> EmbeddingSpec | None:
    """The table or the sines of one stack.

    A row's `embedding` has `kind` ("learned" or "sinusoidal"), `positions` and `dim` (names),
    `rows` (what the table has beyond `positions`), `offset` (rows before that of position 0; the
    name of a number: one more than that); for sines `layout`, `endpoint`, `first`, `base`,
    `offset` and `start` (name of the number that the first token has for its position) and
    `less` (of one to be subtracted from it).
    With `if`, the name of a flag, it is so where that is true, else as `otherwise` says, if
    anything.
    """
    how = row.embedding
    if how is not None and "if" in how and not fields.get(how["if"]):
        how = how.get("otherwise")
    if how is None:
        return None
    dim = fields.whole(how.get("dim", "hidden_size"))
    offset = how.get("offset", 0)
    if isinstance(offset, str):
        offset = int(fields.get(offset, 0)) + 1
    if "start" in how:
        offset = fields.whole(how["start"])
        offset -= fields.whole(how["less"]) if "less" in how else 0
    if how["kind"] == "sinusoidal":
        return SinusoidalSpec(
            dim=dim,
            base=float(how.get("base", 10_000.0)),
            layout=how.get("layout", "half"),
            endpoint=bool(how.get("endpoint", False)),
            first=how.get("first", "sine"),
            offset=offset,
        )
    positions = fields.whole(how.get("positions", "max_position_embeddings"), most=MOST_TOKENS)
    return LearnedSpec(
        num_positions=positions + how.get("rows", 0) - offset, dim=dim, offset=offset
    )
