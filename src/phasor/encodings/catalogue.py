"""The encodings by name, and how each is built for a model of a given shape."""

import difflib
import inspect
from dataclasses import asdict, dataclass

from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings.alibi import ALiBi
from phasor.encodings.learned import Learned
from phasor.encodings.rotary import Rotary
from phasor.encodings.sinusoidal import Sinusoidal
from phasor.errors import ArgumentError

CATALOGUE: dict[str, type[PositionEncoding]] = {
    "none": NoPE,
    "sinusoidal": Sinusoidal,
    "learned": Learned,
    "rotary": Rotary,
    "alibi": ALiBi,
}


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What an encoding may need to know of the model it is built for.

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
        near = difflib.get_close_matches(name.lower(), CATALOGUE, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ArgumentError(
            f"there is no encoding {name!r}.{hint} There are: {', '.join(CATALOGUE)}"
        )
    return CATALOGUE[name]


def build(name: str, shape: ModelShape) -> PositionEncoding:
    """Build the encoding called `name` for a model of `shape`.

    Each argument of its constructor that carries the name of a field of `ModelShape` gets that
    field; all others keep their defaults.

    Raises:
        ArgumentError: Unknown `name`, or a shape that the encoding refuses.

    Examples:
        >>> from phasor.encodings.catalogue import ModelShape, build
        >>> build("rotary", ModelShape(dim=64, head_dim=16, num_heads=4, num_positions=512))
        Rotary(head_dim=16, base=10000.0, rotary_dim=16, layout='half', precision='exact')
    """
    encoding = look_up(name)
    wanted = inspect.signature(encoding).parameters.keys()
    return encoding(**{key: value for key, value in asdict(shape).items() if key in wanted})
