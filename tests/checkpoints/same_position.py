"""Two specs that compute the same, whatever their parts are called and however pairs lie."""

from typing import Any

import pytest
import torch

from phasor.spec import ALiBiSpec, LayerSpec, PositionSpec, QueryTemperatureSpec, RotarySpec


def facts(layer: LayerSpec, length: int) -> dict[str, Any]:
    """What one layer computes at a length, whatever it is called."""
    made: dict[str, Any] = {"window": layer.window, "chunk": layer.chunk, "values": layer.values}
    scale = layer.score_scale
    made["kinds"] = [type(each).__name__ for each in layer.encodings]
    for each in layer.encodings:
        if isinstance(each, RotarySpec):
            built = each.build()
            built = built.at(length) if built.length_scaling is not None else built
            turning = built.frequencies
            width = turning.rotary_dim
            made |= {
                "inv_freq": turning.inv_freq, "gain": turning.attention_scale, "width": width,
                "head_dim": each.head_dim, "slice": each.rotary_slice,
            }  # fmt: skip
            scale = (scale or each.head_dim**-0.5) * turning.softmax_scale
        elif isinstance(each, (ALiBiSpec, QueryTemperatureSpec)):
            made[type(each).__name__] = each
    made["score_scale"] = scale
    return made


def assert_same(
    found: PositionSpec, wanted: PositionSpec, *, without: tuple[str, ...] = ()
) -> None:
    assert len(found.layers) == len(wanted.layers)
    for length in (100, 8192, 100_000):
        for at, (one, two) in enumerate(zip(found.layers, wanted.layers, strict=True)):
            mine, theirs = facts(one, length), facts(two, length)
            assert mine.keys() == theirs.keys(), at
            for name, value in theirs.items():
                if name in without:
                    continue
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(mine[name], value, rtol=2e-6, atol=1e-25)
                elif isinstance(value, float):
                    assert mine[name] == pytest.approx(value, rel=2e-6), (at, name)
                else:
                    assert mine[name] == value, (at, name)
    for name in {"causal", "max_seq_len", "embedding"} - set(without):
        assert getattr(found, name) == getattr(wanted, name), name
