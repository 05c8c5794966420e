"""The other libraries, one file each: name, version, what is called, what that leaves out."""

from collections.abc import Sequence

from phasor._bench.contender import Contender
from phasor._bench.peers import (
    flash_attn,
    flashinfer,
    liger_kernel,
    llama,
    quack,
    rotary_embedding_torch,
    sglang,
    torchtune,
    transformer_engine,
    transformers,
    transformers_compiled,
    vllm,
    x_transformers,
)
from phasor._options import listed
from phasor.errors import ArgumentError, unknown_name

PEERS: tuple[Contender, ...] = (
    transformers.PEER,
    transformers_compiled.PEER,
    liger_kernel.PEER,
    flash_attn.PEER,
    flash_attn.IN_PLACE,
    quack.PEER,
    transformer_engine.PEER,
    flashinfer.PEER,
    sglang.PEER,
    vllm.PEER,
    llama.PEER,
    torchtune.PEER,
    x_transformers.PEER,
    rotary_embedding_torch.PEER,
)


def choose_peers(against: str | Sequence[str]) -> tuple[Contender, ...]:
    """The peers that `against` names, installed or not.

    Args:
        against: `all`, `none`, or names, several or with commas between.

    Returns:
        The peers, in the order of `PEERS`.

    Raises:
        ArgumentError: A name that does not exist, or one twice.

    Examples:
        >>> from phasor._bench.peers import choose_peers
        >>> [peer.name for peer in choose_peers("llama,transformers")]
        ['transformers', 'llama']
    """
    names = listed(against)
    if names in (["all"], ["none"]):
        return PEERS if names == ["all"] else ()
    known = [peer.name for peer in PEERS]
    for index, name in enumerate(names):
        if name not in known:
            raise unknown_name("unknown peer", name, ["all", "none", *known])
        if name in names[:index]:
            raise ArgumentError(f"peer {name} is there twice in {against!r}; name each once")
    return tuple(peer for peer in PEERS if peer.name in names)
