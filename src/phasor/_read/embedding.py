"""What is added to token embeddings."""

import math

from phasor._read.architectures import Embedding
from phasor._read.fields import MOST_CHANNELS, MOST_TOKENS, Fields
from phasor.spec import LearnedSpec, SinusoidalSpec


def read_embedding(fields: Fields, how: Embedding) -> LearnedSpec | SinusoidalSpec:
    """The table or the sines of one stack."""
    dim = fields.whole(how.dim)
    offset = int(fields.get("pad_token_id", 0)) + 1 if how.after_padding else how.offset
    if how.kind == "sinusoidal":
        return SinusoidalSpec(dim=dim, layout="half", endpoint=how.endpoint, offset=offset)
    return LearnedSpec(
        num_positions=_positions(fields, how) + how.rows - offset, dim=dim, offset=offset
    )


def _positions(fields: Fields, how: Embedding) -> int:
    if how.positions == "patches":
        sides = [_sides(fields, each) for each in ("image_size", "patch_size")]
        return math.prod(image // patch for image, patch in zip(*sides, strict=True))
    names = (how.positions,) if isinstance(how.positions, str) else how.positions
    return math.prod(fields.whole(each, most=MOST_TOKENS) for each in names)


def _sides(fields: Fields, name: str) -> tuple[int, ...]:
    """Height and width in pixels, which a config may give as one number."""
    given = fields.get(name)
    sides = given if isinstance(given, (list, tuple)) else (given, given)
    if len(sides) != 2 or any(
        type(side) is not int or not 1 <= side <= MOST_CHANNELS for side in sides
    ):
        raise fields.wrong(name, "a number of pixels or two", given)
    return tuple(sides)
