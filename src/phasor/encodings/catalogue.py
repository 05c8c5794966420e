"""The encodings by name, and what they may need to know of a model."""

from dataclasses import dataclass

from phasor import encodings
from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings._elsewhere import installed, load
from phasor.errors import unknown_name

_SITES = ("score", "query_key", "embedding")


def _by_name() -> dict[str, type[PositionEncoding]]:
    """In the order of the sites that they have."""
    found = [NoPE, *(getattr(encodings, name) for name in encodings.MODULES)]
    found.sort(key=lambda encoding: [site in encoding.sites for site in _SITES])
    return {encoding.spelling: encoding for encoding in found if encoding.spelling is not None}


BY_NAME: dict[str, type[PositionEncoding]] = _by_name()
"""All of phasor's."""

CATALOGUE = {name: encoding for name, encoding in BY_NAME.items() if encoding.compared}
"""Those that a text model can have by themselves, with nothing said of them."""

ALIASES = {"rope": "rotary", "nope": "none"}
"""Other names by which everybody knows an encoding; `PoPE` is one letter away from both."""


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


EXAMPLE = ModelShape(dim=768, head_dim=64, num_heads=12, num_positions=1024)
"""The model for which encodings are listed and explained: GPT-2's shape."""


def look_up(name: str) -> type[PositionEncoding]:
    """The encoding called `name`, or known by it; `module:Class` is one from elsewhere.

    Raises:
        ArgumentError: There is none; the message lists the names and suggests the nearest.
        ArgumentTypeError: What `module:Class` names is no encoding.
    """
    name = ALIASES.get(name, name)
    if name in BY_NAME:
        return BY_NAME[name]
    if ":" in name:
        return load(name)
    others = installed()
    if name not in others:
        raise unknown_name("there is no encoding", name, [*BY_NAME, *ALIASES, *others])
    return load(others[name].value)
