"""Modules of phasor's own, read as specs and built again."""

from typing import Any

import pytest
import torch

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.spec import ExplicitSpec, GeometricSpec


def _slower(frequencies: phasor.Frequencies) -> phasor.Frequencies:
    return frequencies.with_inv_freq(frequencies.inv_freq / 3)


MODULES: dict[str, Any] = {
    "rotary": lambda: phasor.Rotary(
        64, base=5e5, rotary_dim=32, layout="interleaved", rotary_slice="trailing",
        scaling=phasor.scaling.yarn(factor=4, original_seq_len=4096),
    ),
    "rotary by axes": lambda: phasor.Rotary(64, frequencies=phasor.axial(64, 2)),
    "rotary by a function": lambda: phasor.Rotary(64, scaling=_slower),
    "alibi": lambda: phasor.ALiBi(12, scale=0.5, precision="bfloat16"),
    "t5": lambda: phasor.T5Bias(8, num_buckets=16, max_distance=64, bidirectional=True),
    "temperature": lambda: phasor.QueryTemperature(100, coefficient=0.2, offset=1, growth="power"),
    "score temperature": lambda: phasor.ScoreTemperature(100, coefficient=0.2),
    "ssmax": lambda: phasor.SSMax(4),
    "shaw": lambda: phasor.Shaw(8, max_distance=4, max_ahead=2),
    "transformer-xl": lambda: phasor.TransformerXL(8, 4, 2, base=100.0),
    "deberta": lambda: phasor.DeBERTa(8, 4, 2, max_distance=64, num_buckets=8),
    "relative logits": lambda: phasor.RelativeLogits(8, 2, extent=4, rank=2),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_built_again(name: str) -> None:
    module = MODULES[name]()
    spec = phasor.read(module)
    built: Any = spec.layers[0].encodings[0].build()
    assert type(built) is type(module)
    assert phasor.read(built) == spec
    shapes = {key: value.shape for key, value in module.state_dict().items()}
    assert {key: value.shape for key, value in built.state_dict().items()} == shapes
    assert phasor.PositionSpec.from_json(spec.to_json()) == spec
    if isinstance(module, phasor.Rotary):
        assert built.frequencies == module.frequencies
        assert (built.layout, built.rotary_slice) == (module.layout, module.rotary_slice)
    for name in ("scale", "precision", "num_buckets", "max_distance", "bidirectional", "growth"):
        assert getattr(built, name, None) == getattr(module, name, None)


def test_a_scaling_is_named() -> None:
    scaling = phasor.scaling.dynamic_ntk(factor=4, original_seq_len=1024)
    (rotary,) = phasor.read(phasor.Rotary(64, scaling=scaling)).layers[0].encodings
    assert (rotary.frequencies, rotary.scaling) == (GeometricSpec(rotary_dim=64), scaling)
    (settled,) = phasor.read(phasor.Rotary(64, scaling=scaling).at(2048)).layers[0].encodings
    assert settled.scaling == scaling.at(2048)
    (own,) = phasor.read(MODULES["rotary by a function"]()).layers[0].encodings
    assert isinstance(own.frequencies, ExplicitSpec)


def test_a_model_of_several_encodings() -> None:
    rotary, table = phasor.Rotary(64), phasor.Sinusoidal(32, base=100.0, layout="half")
    both = phasor.Compose(rotary, phasor.ALiBi(8))
    spec = phasor.read(phasor.PerLayer([both, phasor.NoPE(), rotary], embedding=table))
    names = [[type(each).__name__ for each in layer.encodings] for layer in spec.layers]
    assert names == [["RotarySpec", "ALiBiSpec"], [], ["RotarySpec"]]
    assert spec.embedding == phasor.read(table).embedding
    assert phasor.read(spec.encodings()) == spec


def test_tables_are_shared_where_layers_share_them() -> None:
    one, other = phasor.T5Bias(4), phasor.T5Bias(4)
    for layers, shared in (([one, one], True), ([one, other], False)):
        spec = phasor.read(phasor.PerLayer(layers))
        assert [layer.encodings[0].shared for layer in spec.layers] == [shared] * 2
        built = spec.encodings()
        assert (built[0] is built[1]) == shared


def test_what_has_no_spec_is_refused() -> None:
    class Decay(phasor.ScoreBias):
        paper = "none"

        def bias(self, head: Any, m: Any, n: Any) -> Any:  # type: ignore[override]
            return n - m

    with pytest.raises(ArgumentTypeError, match="Decay has no options that a spec could state"):
        phasor.read(Decay(8))


def test_a_rotary_from_a_config() -> None:
    from transformers import Gemma3TextConfig
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding

    config = Gemma3TextConfig(num_hidden_layers=6)
    theirs = Gemma3RotaryEmbedding(config)
    for layer, kind in ((0, "sliding_attention"), (5, "full_attention")):
        for source in (config, {"model_type": "gemma3_text", "num_hidden_layers": 6}):
            ours = phasor.Rotary.from_config(source, layer, precision="float32")
            assert (ours.head_dim, ours.precision) == (256, "float32")
            wanted = getattr(theirs, f"{kind}_inv_freq").double()
            torch.testing.assert_close(ours.frequencies.inv_freq[0], wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("config", "layer", "part"),
    [
        ({"model_type": "smollm3"}, 3, "layer 3 of smollm3 has no one rotary encoding but no enc"),
        ({"model_type": "bloom"}, 0, "no one rotary encoding but ALiBi"),
        ({"model_type": "llama", "num_hidden_layers": 2}, 2, "from 0 to 1 for llama, got 2"),
        ({"rope_type": "yarn", "factor": 4.0}, 0, "model_type must name the architecture"),
    ],
)
def test_a_layer_that_does_not_turn(config: dict[str, Any], layer: int, part: str) -> None:
    with pytest.raises(ArgumentError, match=part):
        phasor.Rotary.from_config(config, layer)
