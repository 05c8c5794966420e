"""What `repr` says of frequencies beside their base and number."""

import torch

from phasor.errors import ArgumentError
from phasor.rotary.axes import ORDERS, axis_of_each_pair
from phasor.rotary.frequencies import Frequencies, geometric


def in_words(frequencies: Frequencies) -> str:
    """Axes and their sections, the ends of a progression that is not the base's, and the gains."""
    words = _axes(frequencies)
    whole = frequencies.inv_freq.sum(0)
    usual = None
    if frequencies.base is not None:
        usual = geometric(frequencies.rotary_dim, frequencies.base).inv_freq[0]
    if usual is None or not torch.equal(whole, usual):
        words.append(f"inv_freq=[{whole[0]:.6g}, ..., {whole[-1]:.6g}]")
    for name in ("attention_scale", "softmax_scale"):
        gain = getattr(frequencies, name)
        if gain != 1.0:
            words.append(f"{name}={gain:.6g}")
    return "".join(f", {word}" for word in words)


def _axes(frequencies: Frequencies) -> list[str]:
    if frequencies.axes == 1:
        return []
    turns = frequencies.inv_freq != 0
    falls = bool((frequencies.inv_freq.sum(0).diff() < 0).all())
    # One progression, each pair of it on one axis: blocks of several are no sections.
    if not falls or not bool((turns.sum(0) == 1).all()):
        return [f"axes={frequencies.axes}"]
    sizes, owner = tuple(turns.sum(1).tolist()), turns.int().argmax(0).tolist()
    words = [f"sections={sizes}"]
    for order in ORDERS:
        try:
            fits = axis_of_each_pair(sizes, order) == owner
        except ArgumentError:
            continue
        if fits:
            words.append(f"order={order!r}")
            break
    return words
