"""`phasor.explain`: every name is explained, from what stands beside it."""

import json
import re
from pathlib import Path

import pytest

import phasor
from phasor._explain.chapters import TITLES, chapter
from phasor._explain.letters import legend, symbols
from phasor._explain.words import WORDS
from phasor.encodings.catalogue import BY_NAME
from phasor.errors import ArgumentError
from phasor.rotary import scaling

LLAMA = {
    "model_type": "llama",
    "head_dim": 64,
    "num_hidden_layers": 4,
    "max_position_embeddings": 8192,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 500000.0,
        "factor": 4.0,
        "original_max_position_embeddings": 2048,
    },
}
NAMES = [*BY_NAME, *scaling.BY_NAME, *WORDS]
DESCRIBED = {**BY_NAME, **scaling.BY_NAME}
# What formulas have beside letters: functions, and arguments of constructors by their names.
KNOWN = {
    *("score", "sin", "cos", "ln", "log", "exp", "max", "clip", "sign", "softplus", "round"),
    *("base", "base′", "factor", "alpha", "factors", "short_factor", "long_factor", "ntk", "scale"),
    *("coefficient", "offset", "num_positions", "scale_base", "sinusoidal_dim", "window", "extent"),
    *("pair", "turns", "by", "of", "at", "to", "and", "or", "where", "with", "over", "else", "up"),
    *("past", "which", "is", "are", "goes", "from", "for", "has", "cosine", "sine", "likewise"),
    *("tokens", "column", "row", "rotary", "as", "in", "its", "product", "times", "bucket", "the"),
    *("keys", "table", "whatever", "them", "fast", "slow", "ones", "pairs", "slope", "s"),
    *("π", "Σ", "e"),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_explained_on_a_screenful(name: str) -> None:
    explained = phasor.explain(name)
    (part,) = explained.parts
    assert part.name == name
    assert part.summary.endswith(".")
    assert not re.search(r"[$\\`]", part.summary)
    assert part.chapter in TITLES
    text = repr(explained)
    assert text.startswith(name)
    assert len(text.splitlines()) <= 19
    assert "(--html opens it)" in text
    json.dumps(explained.as_json(), allow_nan=False)
    if name in WORDS:
        return
    assert part.formula
    assert part.source
    assert (part.row is None) == bool(part.unmeasured)
    drawn = (part.rotation, part.picture)
    assert any(each is not None for each in drawn) or name == "uneven_rotary"


@pytest.mark.parametrize("name", DESCRIBED)
def test_formulas_are_lines_of_unicode_whose_letters_are_explained(name: str) -> None:
    formula = DESCRIBED[name].formula
    assert formula is not None
    assert len(formula) <= 120
    assert not re.search(r"[$\\{}\n]", formula)
    embedded = name in ("learned", "sinusoidal")
    stated, _, told = formula.partition(";")
    explained = {*symbols(told), *symbols(legend(formula, embedded=embedded)), *KNOWN}
    # What is defined where it stands, as G = ..., arguments as in ψ(z), and indices of sums.
    defined = {each for found in re.findall(r"(\S+) = ", stated) for each in symbols(found)}
    assert {*symbols(stated)} - explained - defined <= {*"aijtxyHI"}, formula


def test_arguments_change_the_numbers_and_the_row() -> None:
    (part,) = phasor.explain("rotary( base = 500000 )").parts
    assert part.numbers.endswith("base 500,000")
    assert part.row is None
    assert part.unmeasured.endswith("phasor compare --encodings 'rotary(base=500000)'")
    (part,) = phasor.explain("yarn(factor=8, original_seq_len=4096)").parts
    assert part.rotation is not None
    assert (part.rotation.trained_length, part.rotation.length) == (4096, 32768)
    (part,) = phasor.explain("stretch(factors=[1, 2, 4])").parts
    assert part.rotation is not None
    assert [pair.slowed for pair in part.rotation.pairs] == pytest.approx([1, 2, 4])
    assert phasor.explain("rope").parts[0].name == "rotary"


def test_layers_that_take_turns_are_several_parts() -> None:
    explained = phasor.explain("rotary/rotary/nope")
    assert [part.name for part in explained.parts] == ["rotary", "none"]
    assert explained.more.endswith("phasor compare --encodings rotary/rotary/none")


def test_a_checkpoint_is_explained_in_the_same_words(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(LLAMA))
    for source in (file, str(file), str(tmp_path), LLAMA, phasor.read(LLAMA)):
        explained = phasor.explain(source)
        rotary, yarn = explained.parts
        assert explained.asked.startswith("llama: 4 layers")
        assert (rotary.name, rotary.layers) == ("rotary", "every layer")
        assert rotary.formula == phasor.Rotary.formula
        assert rotary.rotation is not None
        assert rotary.rotation.trained_length == 2048
        assert (yarn.name, yarn.numbers) == ("yarn", "yarn (factor 4, original_seq_len 2,048)")
    assert f"phasor inspect {file} says more" in phasor.explain(str(file)).more


def test_a_checkpoint_with_a_table_and_one_with_layers_without(tmp_path: Path) -> None:
    gpt2 = {"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_embd": 8, "n_positions": 16}
    (table,) = phasor.explain(gpt2).parts
    assert (table.name, table.layers) == ("learned", "the embedding")
    assert "128 parameters" in table.enters
    rotary = phasor.spec.LayerSpec(encodings=(phasor.spec.RotarySpec(8),))
    spec = phasor.PositionSpec(model="own", layers=(rotary, phasor.spec.LayerSpec()))
    assert [(p.name, p.layers) for p in phasor.explain(spec).parts] == [
        ("rotary", "layer 0"),
        ("none", "layer 1"),
    ]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("rotry", "there is no encoding, scaling, word or checkpoint 'rotry'. Did you mean 'ro"),
        ("yrn", "Did you mean 'yarn'?"),
        ("positon", "Did you mean 'position'?"),
        ("", "there is no encoding, scaling, word or checkpoint ''"),
        ("rotary(bas=3)", "rotary has no argument 'bas'. Did you mean 'base'?"),
        ("rotary(base=-1)", "base"),
        ("yarn(factor=2)", r"yarn\(factor=2\): YaRN\(\) missing 1 required"),
        ("yarn(2)", "cannot read"),
        ("linear(factr=2)", "linear has no argument 'factr'. Did you mean 'factor'?"),
        ("rotary/nne", "there is no encoding 'nne'"),
        ("models/none-here", "models/none-here does not exist"),
        ("gone.gguf", "gone.gguf does not exist"),
        ("mymodule:Gone", "there is no module 'mymodule'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(what: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        phasor.explain(what)


def test_a_notebook_shows_it() -> None:
    assert phasor.explain("alibi")._repr_html_().startswith("<pre>alibi")


def test_chapters_are_pages_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phasor, "__file__", str(tmp_path / "__init__.py"))
    assert chapter("07-biases") is None
    page = tmp_path / "_site" / "learn" / "07-biases.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert chapter("07-biases") == page


def test_chapters_that_a_checkout_has_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`phasor docs` builds them, and `--html` tells to run it."""
    monkeypatch.setattr(phasor, "__file__", str(tmp_path / "src" / "phasor" / "__init__.py"))
    assert chapter("07-biases") is None
    page = tmp_path / "build" / "site" / "learn" / "07-biases.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert chapter("07-biases") == page
