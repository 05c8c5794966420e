"""Layers in words."""

from typing import Any

import torch

from phasor._encoding_spec import EncodingSpec
from phasor._words import number
from phasor.spec import LayerSpec, RotarySpec


def layer_in_words(layer: LayerSpec, embedding: EncodingSpec[Any] | None) -> str:
    """All that a layer does, in a model with that `embedding`."""
    parts = [encoding.in_words() for encoding in layer.encodings]
    if not parts:
        parts = ["no position encoding (NoPE)" if embedding is None else "nothing of its own"]
    if layer.window is not None:
        parts.append(f"a window of {number(layer.window)} tokens")
    if layer.chunk is not None:
        parts.append(f"attention within chunks of {number(layer.chunk)} tokens")
    if layer.score_scale is not None:
        parts.append(f"scores times {number(layer.score_scale)}")
    if layer.values != "still":
        back = ", and the output turns back" if layer.values == "turned_back" else ""
        parts.append(f"values turn as keys do{back}")
    if layer.indexer is not None:
        parts.append(f"an indexer, which chooses tokens: {_indexer(layer.indexer, layer)}")
    return "; ".join(parts)


def _indexer(rotary: RotarySpec, layer: LayerSpec) -> str:
    """Its pairs; the rest as well, where that is not as in the layer's attention."""
    turning = rotary.build().at(1).frequencies
    mains = [each for each in layer.encodings if isinstance(each, RotarySpec)]
    if any(torch.equal(turning.inv_freq, m.build().at(1).frequencies.inv_freq) for m in mains):
        return f"{rotary.which()}, by the same angles"
    return rotary.in_words()
