"""Encoders of audio that count anew in each chunk."""

import pytest
import torch
from checkpoints.tiny import subjects
from torch import Tensor
from torch.testing import assert_close

from phasor._read import examine
from phasor.spec import SinusoidalSpec

CHUNKED = subjects("subjects_of_chunks.json")


@pytest.mark.parametrize(
    ("name", "frames", "tokens"),
    [("Qwen2_5OmniAudioEncoderConfig", 24, 6), ("Qwen3OmniMoeAudioEncoderConfig", 200, 13)],
)
def test_each_chunk_gets_the_sines_of_the_spec(name: str, frames: int, tokens: int) -> None:
    """What the table adds to the first layer's input is seen by taking the table away."""
    config, model = CHUNKED[name].build()
    taken: list[Tensor] = []
    model.layers[0].register_forward_pre_hook(lambda module, args: taken.append(args[0].clone()))
    features = torch.randn(128, frames)
    with torch.no_grad():
        for _ in range(2):
            model(features, feature_lens=torch.tensor([frames]))
            model.positional_embedding.positional_embedding.zero_()
    stated = examine(config).spec.embedding
    assert isinstance(stated, SinusoidalSpec)
    sines = stated.build()
    chunk = sines.embed(torch.zeros(1, tokens, 128), sines.prepare(torch.arange(tokens)))[0]
    assert_close(taken[0] - taken[1], chunk.repeat(2, 1), atol=1e-5, rtol=0)
