"""`repr` of an encoding shows each option: another value of any of them is another text."""

import copy
import inspect
import pickle
import re
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import phasor
from phasor.encodings import MODULES
from phasor.rotary import doubled_sections, tiled
from phasor.spec import SectionsSpec

GEOMETRIC = phasor.geometric(8)
YARN = phasor.scaling.yarn(factor=4, original_seq_len=1024)

# What has no default, and other values where the kind of an option does not say them.
NEEDED: dict[str, Any] = {
    "dim": 16,
    "head_dim": 8,
    "num_heads": 2,
    "num_positions": 32,
    "original_seq_len": 64,
    "window": (3, 4),
    "frequencies": tiled(phasor.geometric(4)),
    "layout": "half",
}
OTHER: dict[str, list[Any]] = {
    "scaling": [YARN, phasor.scaling.linear(factor=2), phasor.scaling.dynamic_ntk(
        factor=2, original_seq_len=64)],
    "window": [(5, 4)],
    "pretrained_window": [(7, 8)],
    "rotary_dim": [4],
    "max_ahead": [3],
    "num_buckets": [8],
    "block_dim": [4],
    "rms": [0.3],
    "axes": [2],
    "threshold": [7.0],
    "num_positions": [12],
    "left_out_sin": [0],
    "gamma": [0.7],
}  # fmt: skip
FREQUENCIES = {
    "Rotary": [
        phasor.sections(GEOMETRIC, (2, 1, 1)),
        phasor.sections(GEOMETRIC, (2, 1, 1), order="interleaved"),
        phasor.sections(GEOMETRIC, (1, 2, 1)),
        phasor.axial(8),
        phasor.proportional(8, 0.5),
        phasor.Frequencies(GEOMETRIC.inv_freq, 10_000.0, attention_scale=1.5),
        phasor.Frequencies(GEOMETRIC.inv_freq, 10_000.0, softmax_scale=1.5),
    ],
    "UnevenRotary": [doubled_sections(phasor.geometric(4), (1, 1)), GEOMETRIC],
}


OWN: dict[tuple[str, str], list[Any]] = {
    ("Rotary", "base"): [500.0],
    ("Rotary", "sections"): [SectionsSpec(sizes=(2, 1, 1), order="ernie")],
    ("UnevenRotary", "scaling"): [phasor.scaling.linear(factor=3)],
    ("UnevenRotary", "blocks"): [1],
    ("UnevenRotary", "sections"): [(1, 2, 1)],
}


def _others(encoding: type, name: str, usual: Any, kind: Any) -> list[Any]:
    if (encoding.__name__, name) in OWN:
        return OWN[encoding.__name__, name]
    if name == "frequencies":
        return FREQUENCIES[encoding.__name__]
    if name in OTHER:
        return OTHER[name]
    if get_args(kind) and get_origin(kind) is not None and isinstance(get_args(kind)[0], str):
        return [value for value in get_args(kind) if value != usual]
    if isinstance(usual, bool):
        return [not usual]
    assert isinstance(usual, int | float), (encoding, name)
    return [2 * usual if usual else usual + 1]


def variants(class_name: str) -> list[phasor.PositionEncoding]:
    """One encoding, and all that differ from it in one option."""
    encoding = getattr(phasor, class_name)
    kinds = get_type_hints(encoding.__init__)
    parameters = inspect.signature(encoding).parameters
    needed = {name: NEEDED[name] for name, of in parameters.items() if of.default is of.empty}
    return [encoding(**needed)] + [
        encoding(**needed | {name: other})
        for name, of in parameters.items()
        for other in _others(encoding, name, needed.get(name, of.default), kinds.get(name))
    ]


@pytest.mark.parametrize("class_name", MODULES)
def test_another_value_is_another_text(class_name: str) -> None:
    made = variants(class_name)
    assert len(made) > len(inspect.signature(getattr(phasor, class_name)).parameters)
    texts = [repr(each) for each in made]
    assert len(set(texts)) == len(texts), texts
    for each, text in zip(made, texts, strict=True):
        assert not re.search(r" at 0x|<function", text)
        assert repr(copy.deepcopy(each)) == repr(pickle.loads(pickle.dumps(each))) == text


def test_scaling_and_sections_are_shown() -> None:
    scaled = phasor.Rotary(128, scaling=YARN)
    assert "scaling=YaRN(factor=4, original_seq_len=1024" in repr(scaled)
    assert "attention_scale=1.13863" in repr(scaled)  # 0.1 ln 4 + 1
    dynamic = phasor.Rotary(128, scaling=phasor.scaling.dynamic_ntk(factor=2, original_seq_len=64))
    assert "scaling=DynamicNTK(factor=2, original_seq_len=64)" in repr(dynamic)
    assert re.search(r"scaling=DynamicNTK\(.*\), seq_len=100", repr(dynamic.at(100)))
    for order, sizes in (
        ("chunked", (16, 24, 24)),
        ("interleaved", (24, 20, 20)),
        ("ernie", (20, 22, 22)),
        ("openpangu", (16, 24, 24)),
    ):
        turned = phasor.sections(YARN(phasor.geometric(128)), sizes, order=order)
        text = repr(phasor.Rotary(128, frequencies=turned))
        assert f"sections={sizes}, order={order!r}" in text
    assert "sections" not in repr(phasor.Rotary(128, frequencies=phasor.axial(128)))


def test_a_spec_gives_an_encoding_that_shows_both() -> None:
    from phasor.spec import GeometricSpec, RotarySpec, SectionsSpec

    spec = RotarySpec(
        head_dim=128,
        frequencies=GeometricSpec(rotary_dim=128),
        scaling=YARN,
        sections=SectionsSpec(sizes=(16, 24, 24)),
    )
    text = repr(spec.build())
    assert "scaling=YaRN(factor=4" in text
    assert "sections=(16, 24, 24), order='chunked'" in text


def test_a_function_as_scaling_is_named_and_not_kept() -> None:
    def slower(frequencies: phasor.Frequencies) -> phasor.Frequencies:
        return frequencies.with_inv_freq(frequencies.inv_freq / 3)

    rotary = phasor.Rotary(8, scaling=slower)
    assert "scaling=slower" in repr(rotary)
    assert "inv_freq=[0.333333, ..., 0.000333333]" in repr(rotary)
    assert repr(pickle.loads(pickle.dumps(rotary))) == repr(rotary)
