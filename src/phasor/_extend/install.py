"""Puts a candidate's frequencies into a live model, for as long as it is measured."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from phasor.rotary import Frequencies


@contextmanager
def installed(rotary: Sequence[nn.Module], frequencies: Frequencies) -> Iterator[None]:
    """Let the modules of transformers that hold frequencies hold `frequencies` meanwhile.

    They are float32 there, as in a model that is loaded with them. Rules that change them with the
    length of a sequence are switched off: what is installed is what is measured.
    """
    before = [
        (module.inv_freq, module.attention_scaling, module.rope_type)  # type: ignore[attr-defined]
        for module in rotary
    ]
    try:
        for module in rotary:
            numbers = frequencies.inv_freq[0].to(torch.float32)
            module.inv_freq = numbers.to(module.inv_freq.device)  # type: ignore[attr-defined]
            module.attention_scaling = frequencies.attention_scale  # type: ignore[attr-defined]
            module.rope_type = "default"  # type: ignore[attr-defined]
        yield
    finally:
        for module, (inv_freq, scaling, rope_type) in zip(rotary, before, strict=True):
            module.inv_freq = inv_freq  # type: ignore[attr-defined]
            module.attention_scaling = scaling  # type: ignore[attr-defined]
            module.rope_type = rope_type  # type: ignore[attr-defined]
