"""What was asked for, found among names, words and checkpoints."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from phasor._encoding_spec import EncodingSpec
from phasor._explain.encodings import of_none, of_options, of_spelled
from phasor._explain.explanation import Explained, Explanation
from phasor._explain.measured import measured
from phasor._explain.scalings import in_checkpoint, of_scaling
from phasor._explain.words import WORDS
from phasor._inspect.inspect import Inspection
from phasor._inspect.inspect import inspect as look
from phasor._inspect.sentences import headline
from phasor._inspect.source import open_source
from phasor.encodings.catalogue import ALIASES, BY_NAME
from phasor.encodings.spelling import Spelling, parse_scaling, parse_spelling
from phasor.errors import ArgumentError, unknown_name
from phasor.rotary import scaling
from phasor.spec import RotarySpec
from phasor.spec.layer_words import which_layers

_FILES = (".json", ".gguf")


def explain(what: Any) -> Explained:
    """Say what an encoding, a scaling, a word or a checkpoint's own encoding does.

    In plain words, with its formula, a small picture of numbers that phasor computes, its measured
    row of the comparison, its source, and the chapter that tells more.

    Args:
        what: A name such as `"rotary"`, `"rotary(base=500000)"`, `"rotary/none"`, `"yarn"` or
            `"position"`; or a checkpoint, as `phasor.inspect` takes it. Of a name that is also a
            file, the name; `"./rotary"` is the file.

    Returns:
        What is printed, as data.

    Raises:
        ArgumentError: Neither a name nor a checkpoint, or arguments that do not fit.
    """
    if not isinstance(what, str):
        return _of_model(what, "the checkpoint")
    text = "".join(what.split())
    name = text.partition("(")[0]
    if name in WORDS:
        word = WORDS[name]
        formula = word.formula or ""
        part = Explanation(name=name, summary=word.meaning, chapter=word.chapter, formula=formula)
        return Explained(name, (part,))
    if name in scaling.BY_NAME:
        given = None if text == name else parse_scaling(text)
        return Explained(text, (of_scaling(name, given),))
    try:
        spelling = parse_spelling(what)
    except ArgumentError:
        if _names_encodings(text) or ":" in name:
            raise
        if "/" in what or what.endswith(_FILES) or os.path.exists(what):
            return _of_model(what, what)
        known = [*BY_NAME, *ALIASES, *scaling.BY_NAME, *WORDS]
        raise unknown_name(
            "there is no encoding, scaling, word or checkpoint", what, known
        ) from None
    return _of_spelling(spelling)


def _names_encodings(text: str) -> bool:
    """Whether what is wrong is something else than the name."""
    first = text.partition("(")[0].partition("/")[0]
    return first in BY_NAME or first in ALIASES


def _of_spelling(spelling: Spelling) -> Explained:
    turns = list({each.text: each for each in spelling.turns}.values())
    parts = [of_spelled(each) for each in turns]
    row, unmeasured = measured(spelling.text, compared=all(e.encoding.compared for e in turns))
    if len(parts) == 1:
        return Explained(spelling.text, (replace(parts[0], row=row, unmeasured=unmeasured),))
    together = unmeasured if row is None else row.in_words()
    return Explained(spelling.text, tuple(parts), f"Layers that take turns with these: {together}")


def _of_model(source: Any, name: str) -> Explained:
    opened = open_source(source)
    seen = look(opened.spec, config=opened.config, notes=opened.notes)
    more = f"phasor inspect {name} says more, layer by layer and at any length"
    return Explained(headline(seen), tuple(_parts(seen)), more)


def _parts(seen: Inspection) -> Iterator[Explanation]:
    spec = seen.spec
    if spec.embedding is not None:
        yield of_options(spec.embedding, layers="the embedding")
    layers_of: dict[EncodingSpec[Any] | None, list[int]] = {}
    for at, layer in enumerate(spec.layers):
        for encoding in layer.encodings or (None,):
            layers_of.setdefault(encoding, []).append(at)
    rotations = {each.rotary: each for each in seen.rotations if not each.of_indexer}
    for encoding, layers in layers_of.items():
        which = which_layers(layers, len(spec.layers))
        if encoding is None:
            if spec.embedding is None:
                yield of_none(which)
            continue
        rotation = rotations.get(encoding) if isinstance(encoding, RotarySpec) else None
        yield of_options(encoding, layers=which, rotation=rotation)
        given = getattr(encoding, "scaling", None)
        for name, kind in scaling.BY_NAME.items():
            if type(given) is kind:
                yield in_checkpoint(name, given, layers=which)
