"""An encoding as data: constructor, spec, JSON, spelling and words from one frozen dataclass."""

import dataclasses
import inspect
import pickle
from typing import Any

import pytest
import torch

import phasor
from phasor.encodings.catalogue import BY_NAME, ModelShape
from phasor.encodings.spelling import parse_spelling
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.spec import LayerSpec, PositionSpec, SectionsSpec

SHAPE = {"dim": 32, "head_dim": 16, "num_heads": 4, "num_positions": 64}
NEEDED: dict[str, Any] = {
    **SHAPE,
    "original_seq_len": 128,
    "window": (3, 2),
    "frequencies": phasor.geometric(16),
    "layout": "half",
}
OTHERS: dict[str, dict[str, Any]] = {
    "rotary": {
        "scaling": phasor.scaling.yarn(factor=4, original_seq_len=64),
        "sections": SectionsSpec(sizes=(4, 2, 2)),
        "layout": "interleaved",
    },
    "alibi": {"scale": 0.5, "precision": "bfloat16"},
    "t5": {"num_buckets": 8, "max_distance": 16, "shared": False},
    "fire": {"mlp_width": 8, "threshold": 9.0},
    "kerple": {"kind": "power"},
    "sinusoidal": {"axes": 2, "rms": 0.1},
    "shaw": {"max_distance": 3},
    "uneven_rotary": {"frequencies": phasor.geometric(8), "blocks": 2},
}
NAMES = [name for name in BY_NAME if name != "none"]


def options_of(name: str) -> Any:
    options = BY_NAME[name].Options
    assert options is not None, f"{name} has none"
    return options


def made(name: str) -> list[Any]:
    """With what is needed alone, and with more."""
    options = options_of(name)
    needed = {
        field.name: NEEDED[field.name]
        for field in dataclasses.fields(options)
        if field.init and field.default is dataclasses.MISSING
    }
    return [options(**needed), options(**(needed | OTHERS.get(name, {})))]


def spec_of(options: Any) -> PositionSpec:
    if "embedding" in options.encoding.sites:
        return PositionSpec(model="mine", layers=(LayerSpec(),), embedding=options)
    return PositionSpec(model="mine", layers=(LayerSpec(encodings=(options,)),))


@pytest.mark.parametrize("name", NAMES)
def test_a_module_knows_the_options_that_it_was_made_with(name: str) -> None:
    for options in made(name):
        module = options.build()
        assert type(module) is BY_NAME[name]
        assert module.options == options
        assert hash(module.options) == hash(options)
        assert pickle.loads(pickle.dumps(module)).options == options
        assert options.given() in repr(module) or name in ("rotary", "uneven_rotary")


@pytest.mark.parametrize("name", NAMES)
def test_json_says_all_of_it(name: str) -> None:
    for options in made(name):
        spec = spec_of(options)
        again = PositionSpec.from_json(spec.to_json())
        assert again.to_json() == spec.to_json()
        found = again.embedding or again.layers[0].encodings[0]
        assert type(found) is type(options)
        assert phasor.read(found.build()).to_json() == phasor.read(options.build()).to_json()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_spelled(name: str) -> None:
    for options in made(name):
        given = {
            field.name: getattr(options, field.name)
            for field in dataclasses.fields(options)
            if field.init and getattr(options, field.name) != field.default
        }
        if not all(isinstance(value, int | float | str | tuple) for value in given.values()):
            continue  # frequencies and sections are not spelled
        arguments = ", ".join(f"{key}={value}" for key, value in given.items())
        spelled = parse_spelling(f"{name}({arguments})")
        (found,) = spelled.build(ModelShape(**SHAPE), 1)
        # What is not said comes from the shape of the model.
        assert {key: getattr(found.options, key) for key in given} == given


@pytest.mark.parametrize("name", NAMES)
def test_its_words_are_its_own(name: str) -> None:
    words = [options.in_words() for options in made(name)]
    assert all(len(each) > 8 and "\n" not in each for each in words)
    if name in OTHERS and name != "sinusoidal":
        assert words[0] != words[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_constructor_takes_and_documents_the_fields(name: str) -> None:
    encoding, options = BY_NAME[name], options_of(name)
    wanted = inspect.signature(options).parameters
    found = inspect.signature(encoding).parameters
    assert list(found) == list(wanted)
    assert [each.default for each in found.values()] == [each.default for each in wanted.values()]
    assert [each.kind for each in found.values()] == [each.kind for each in wanted.values()]
    arguments = (encoding.__doc__ or "").partition("    Args:\n")[2]
    for argument in found:
        assert f"        {argument}: " in arguments


@pytest.mark.parametrize("name", NAMES)
def test_an_argument_of_another_kind_is_one_sentence(name: str) -> None:
    class Other:
        def __repr__(self) -> str:
            return "an object"

    options = made(name)[0]
    for field in dataclasses.fields(options):
        if field.init and type(getattr(options, field.name)) in (int, float, bool):
            named = f"{field.name} (of .* must be .*Other|must be .* got an object)"
            with pytest.raises((ArgumentTypeError, ArgumentError), match=named):
                dataclasses.replace(options, **{field.name: Other()})


def test_numbers_of_other_libraries_become_plain_ones() -> None:
    alibi = phasor.ALiBi(torch.tensor(8), scale=torch.tensor(0.5))  # type: ignore[arg-type]
    assert alibi.options == phasor.ALiBi(8, scale=0.5).options
    assert type(alibi.num_heads) is int
    assert type(alibi.scale) is float


@pytest.mark.parametrize("wrong", ["8", [8], {}, None])
def test_heads_that_are_no_number(wrong: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="num_heads of ALiBi must be an integer, got"):
        phasor.ALiBi(wrong)
    with pytest.raises(ArgumentTypeError, match="head_dim of Rotary must be an integer, got"):
        phasor.Rotary(wrong)


def test_a_missing_argument_is_of_the_encoding() -> None:
    with pytest.raises(TypeError, match=r"^ALiBi\(\) missing 1 required positional argument"):
        phasor.ALiBi()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Rotary\(\) got an unexpected keyword argument 'theta'"):
        phasor.Rotary(8, theta=5)  # type: ignore[call-arg]


def test_a_part_has_no_spec() -> None:
    with pytest.raises(ArgumentError, match=r"ALiBi.heads\(2, 4\) is a part of an encoding"):
        phasor.read(phasor.ALiBi(8).heads(2, 4))


def test_encodings_have_their_place_in_a_spec() -> None:
    learned, alibi = phasor.Learned(8, 8), phasor.ALiBi(8)
    with pytest.raises(ArgumentError, match="LearnedSpec, which enters at the embedding"):
        LayerSpec(encodings=(learned.options,))
    with pytest.raises(ArgumentError, match="ALiBiSpec, which enters in layers"):
        PositionSpec(model="mine", layers=(LayerSpec(),), embedding=alibi.options)
    with pytest.raises(ArgumentTypeError, match=r"got ALiBi; a module has its data in .options"):
        LayerSpec(encodings=(alibi,))  # type: ignore[arg-type]


def test_an_encoding_of_somebody_else() -> None:
    @dataclasses.dataclass(frozen=True)
    class DecaySpec(phasor.EncodingSpec["Decay"]):
        """Args:
        num_heads: Of the query.
        rate: At which scores fall.
        """

        num_heads: int
        rate: float = 0.5

    class Decay(phasor.ScoreBias):
        """A decay."""

        paper = "none"

        @phasor.constructed_from(DecaySpec)
        def __init__(self, options: DecaySpec) -> None:
            super().__init__(options.num_heads)
            self.rate = options.rate

        def bias(self, head: Any, m: Any, n: Any) -> Any:  # type: ignore[override]
            return -self.rate * (m - n).abs()

    decay = Decay(4, rate=2.0)
    assert (repr(decay), decay.options) == ("Decay(num_heads=4, rate=2.0)", DecaySpec(4, 2.0))
    spec = phasor.read(decay)
    assert spec.encodings()[0].options == decay.options
    with pytest.raises(ArgumentTypeError, match="JSON has no name for DecaySpec"):
        spec.to_json()
