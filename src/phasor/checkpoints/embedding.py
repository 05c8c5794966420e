"""What is added to token embeddings."""

import math
from collections.abc import Mapping
from typing import Any

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import MOST_CHANNELS, MOST_TOKENS, Fields
from phasor.spec import LearnedSpec, SinusoidalSpec
from phasor.spec.sites import EmbeddingSpec


def read_embedding(fields: Fields, row: Architecture) -> EmbeddingSpec | None:
    """The table or the sines of one stack.

    A row's `embedding` has `kind` ("learned" or "sinusoidal"), `positions` (a name; names whose
    product it is; or "patches", those of an image of the size named by `image`), `dim` (a name),
    `rows` (what the table has beyond `positions`: numbers or names, one or several), `offset`
    (rows before that of position 0; the name of a number: one more than that); for sines `layout`,
    `endpoint`, `first`, `base`, `offset` and `start` (name of the number that the first token has
    for its position) and `less` (of one to be subtracted from it).
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
    return LearnedSpec(
        num_positions=_positions(fields, how) + _further(fields, how) - offset,
        dim=dim,
        offset=offset,
    )


def _positions(fields: Fields, how: Mapping[str, Any]) -> int:
    name = how.get("positions", "max_position_embeddings")
    if name == "patches":
        sides = [_sides(fields, each) for each in (how.get("image", "image_size"), "patch_size")]
        return math.prod(image // patch for image, patch in zip(*sides, strict=True))
    names = [name] if isinstance(name, str) else name
    return math.prod(fields.whole(each, most=MOST_TOKENS) for each in names)


def _further(fields: Fields, how: Mapping[str, Any]) -> int:
    given = how.get("rows", 0)
    parts = given if isinstance(given, list) else [given]
    return sum(fields.whole(each) if isinstance(each, str) else each for each in parts)


def _sides(fields: Fields, name: str) -> tuple[int, ...]:
    """Height and width in pixels, which a config may give as one number."""
    given = fields.get(name)
    sides = given if isinstance(given, (list, tuple)) else (given, given)
    if len(sides) != 2 or any(
        type(side) is not int or not 1 <= side <= MOST_CHANNELS for side in sides
    ):
        raise fields.wrong(name, "a number of pixels or two", given)
    return tuple(sides)
