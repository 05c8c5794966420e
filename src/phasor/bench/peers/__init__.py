"""The other libraries, one file each: name, version, what is called, what that leaves out."""

from phasor.bench.contender import Contender
from phasor.bench.peers import (
    flash_attn,
    flashinfer,
    liger_kernel,
    llama,
    rotary_embedding_torch,
    torchtune,
    transformers,
    transformers_compiled,
    x_transformers,
)
from phasor.errors import ArgumentError, unknown_name

PEERS: tuple[Contender, ...] = (
    transformers.PEER,
    transformers_compiled.PEER,
    liger_kernel.PEER,
    flash_attn.PEER,
    flashinfer.PEER,
    llama.PEER,
    torchtune.PEER,
    x_transformers.PEER,
    rotary_embedding_torch.PEER,
)


def choose_peers(against: str) -> tuple[Contender, ...]:
    """The peers that `against` names, installed or not.

    Args:
        against: `all`, `none`, or names separated by commas.

    Returns:
        The peers, in the order of `PEERS`.

    Raises:
        ArgumentError: A name that does not exist, or one twice.

    Examples:
        >>> from phasor.bench.peers import choose_peers
        >>> [peer.name for peer in choose_peers("llama,transformers")]
        ['transformers', 'llama']
    """
    if against in ("all", "none"):
        return PEERS if against == "all" else ()
    names = [name.strip() for name in against.split(",")]
    known = [peer.name for peer in PEERS]
    for index, name in enumerate(names):
        if name not in known:
            raise unknown_name("unknown peer", name, ["all", "none", *known])
        if name in names[:index]:
            raise ArgumentError(f"peer {name} is there twice in {against!r}; name each once")
    return tuple(peer for peer in PEERS if peer.name in names)
