"""Encodings explained: a name as it was spelled, or what a checkpoint has."""

import dataclasses
import inspect
from typing import Any

import torch

from phasor._encoding_spec import EncodingSpec
from phasor._explain.chapters import chapter_of
from phasor._explain.docstrings import source, summary
from phasor._explain.explanation import Explanation
from phasor._explain.letters import legend
from phasor._explain.picture import draw
from phasor._inspect.rotation import Rotation, look_at_rotary
from phasor._words import number
from phasor.encoding import NoPE, PositionEncoding, Site
from phasor.encodings.catalogue import EXAMPLE
from phasor.encodings.spelling import SpelledEncoding
from phasor.spec import LayerSpec, RotarySpec

TRAINED = EXAMPLE.num_positions
_ALSO = {"original_seq_len": TRAINED, "window": (TRAINED,)}
_LONGER = 4
_SITES: dict[Site, str] = {
    "embedding": "at the embedding, to which it is added",
    "query_key": "at query and key",
    "score": "at the score",
}


def of_spelled(spelled: SpelledEncoding) -> Explanation:
    """An encoding by name, with the arguments given and, for the rest, a model of GPT-2's shape.

    Raises:
        ArgumentError: An argument that the encoding does not have or refuses.
    """
    missing = _missing(spelled)
    if missing - _ALSO.keys():
        lacking = ", ".join(sorted(missing - _ALSO.keys()))
        return _explained(spelled.encoding, numbers=f"depend on {lacking}, which have no default")
    given = {**{name: _ALSO[name] for name in missing}, **spelled.options}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = dataclasses.replace(spelled, options=given).build(EXAMPLE)
    options = module.options
    learned = sum(parameter.numel() for parameter in module.parameters())
    if isinstance(options, RotarySpec):
        rotation = look_at_example(options)
        return _explained(type(module), options, learned=learned, rotation=rotation)
    explained = _explained(type(module), options, learned=learned)
    return dataclasses.replace(explained, picture=draw(module, EXAMPLE))


def of_options(
    options: EncodingSpec[Any], *, layers: str, rotation: Rotation | None = None
) -> Explanation:
    """What a checkpoint has; its weights are not read, so that nothing learned is drawn."""
    encoding = options.encoding
    with torch.device("meta"):
        learned = sum(parameter.numel() for parameter in options.build().parameters())
    return _explained(encoding, options, learned=learned, layers=layers, rotation=rotation)


def of_none(layers: str) -> Explanation:
    """The layers of a checkpoint that have nothing."""
    return _explained(NoPE, layers=layers)


def look_at_example(rotary: RotarySpec) -> Rotation:
    """A rotary encoding in a model of `TRAINED` tokens, or of those that its scaling states.

    With a scaling it is looked at for as many times the length as that has for a factor.
    """
    trained = getattr(rotary.scaling, "original_seq_len", TRAINED)
    longer = getattr(rotary.scaling, "factor", None) or _LONGER
    length = round(trained * (1 if rotary.scaling is None else longer))
    layer = LayerSpec(encodings=(rotary,))
    return look_at_rotary(
        rotary, layer, (0,), max_seq_len=length, trained_seq_len=round(trained), length=length
    )


def _missing(spelled: SpelledEncoding) -> set[str]:
    """Arguments that neither the spelling nor a model has."""
    known = {*spelled.options, *dataclasses.asdict(EXAMPLE)}
    parameters = inspect.signature(spelled.encoding).parameters.values()
    return {p.name for p in parameters if p.default is p.empty and p.name not in known}


def _explained(
    encoding: type[PositionEncoding],
    options: EncodingSpec[Any] | None = None,
    *,
    learned: int | None = None,
    layers: str = "",
    numbers: str = "",
    rotation: Rotation | None = None,
) -> Explanation:
    formula = encoding.formula or ""
    return Explanation(
        name=encoding.spelling or encoding.__name__,
        summary=summary(encoding),
        chapter=chapter_of(encoding),
        enters=_enters(encoding, learned),
        layers=layers,
        formula=formula,
        legend=legend(formula, embedded="embedding" in encoding.sites),
        numbers=numbers if options is None else options.in_words(),
        rotation=rotation,
        source=source(encoding) or encoding.paper,
    )


def _enters(encoding: type[PositionEncoding], learned: int | None) -> str:
    sites = [words for site, words in _SITES.items() if site in encoding.sites]
    if not getattr(encoding, "turns_key", True):
        sites[0] = "at the query"
    if "value" in encoding.sites:
        sites[0] += ", and at the value where a model asks for it"
    parts = [" and ".join(sites) or "nowhere"]
    if "embedding" in encoding.sites:
        parts.append("absolute positions")
    elif encoding.looks_at:
        parts.append("scores depend on what the tokens say too")
    elif encoding.sites and encoding.is_relative:
        parts.append("scores depend on the distance alone")
    elif encoding.sites:
        parts.append("scores depend on more than the distance")
    if learned is not None:
        parts.append(f"{number(learned)} parameters" if learned else "nothing is learned")
    return "; ".join(parts)
