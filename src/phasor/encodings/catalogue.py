"""The encodings by name, and what they may need to know of a model."""

from dataclasses import dataclass

from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings.alibi import ALiBi
from phasor.encodings.fire import FIRE
from phasor.encodings.fope import FoPE
from phasor.encodings.fox import FoX
from phasor.encodings.grape import GRAPEM
from phasor.encodings.kerple import KERPLE
from phasor.encodings.learned import Learned
from phasor.encodings.liere import LieRE
from phasor.encodings.pope import PoPE
from phasor.encodings.rotary import Rotary
from phasor.encodings.sandwich import Sandwich
from phasor.encodings.sinusoidal import Sinusoidal
from phasor.encodings.string_circulant import STRING
from phasor.encodings.t5 import T5Bias
from phasor.encodings.xpos import XPos
from phasor.errors import unknown_name

CATALOGUE: dict[str, type[PositionEncoding]] = {
    "none": NoPE,
    "sinusoidal": Sinusoidal,
    "learned": Learned,
    "rotary": Rotary,
    "xpos": XPos,
    "fope": FoPE,
    "pope": PoPE,
    "grape_m": GRAPEM,
    "liere": LieRE,
    "string": STRING,
    "alibi": ALiBi,
    "t5": T5Bias,
    "kerple": KERPLE,
    "fire": FIRE,
    "sandwich": Sandwich,
    "fox": FoX,
}


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What an encoding may need to know of the model it is built for.

    Each argument of its constructor that has the name of a field here gets that field.

    Args:
        dim: Width of the embedding.
        head_dim: Channels of each head.
        num_heads: Query heads.
        num_positions: The longest sequence, for encodings that hold a table.
        rms: Root mean square of the token embedding, for encodings that are added to it.
    """

    dim: int
    head_dim: int
    num_heads: int
    num_positions: int
    rms: float = 0.02


def look_up(name: str) -> type[PositionEncoding]:
    """The encoding called `name`.

    Raises:
        ArgumentError: There is none; the message lists the names and suggests the nearest.
    """
    if name not in CATALOGUE:
        raise unknown_name("there is no encoding", name, list(CATALOGUE))
    return CATALOGUE[name]
