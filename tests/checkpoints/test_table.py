"""The table stands on its own, and the page about it says what it holds."""

from typing import Any

import pytest
from checkpoints.document import DOCUMENT, document
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from phasor._read._odd import ODD
from phasor._read.architectures import architecture, architectures, read_table
from phasor.errors import ArgumentError


def test_every_architecture_of_transformers_has_a_row() -> None:
    assert set(CONFIG_MAPPING_NAMES) <= set(architectures())


def test_every_function_is_some_row_s_and_every_row_s_is_there() -> None:
    assert {row.odd for row in architectures().values()} - {None} == set(ODD)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"layuot": "half"}, "row llama has an unknown field 'layuot'. Did you mean 'layout'"),
        ({"layout": "quarter"}, "layout of llama must be one of 'half', 'interleaved', got"),
        ({"causal": 1}, "causal of llama must be bool, got 1"),
        ({"section_sizes": [1, "2"]}, "section_sizes of llama must be .*int.*, got"),
        ({"embedding": {"dim": "n"}}, "embedding of llama must have kind, got"),
        ({"embedding": {"kind": "learned", "row": 1}}, "unknown field 'embedding.row'"),
        ({"embedding": "learned"}, "embedding of llama must be an object, got 'learned'"),
        ({"towers": {"v": {"config": 3}}}, "towers.v.config of llama must be .*str.*, got 3"),
        ({"towers": {"v": {"row": "none"}}}, "towers.v.row of llama must be a row, got 'none'"),
        ({"otherwise": "none"}, "otherwise of llama must be a row, got 'none'"),
        ({"names": {"head_dim": 3}}, "names of llama must be .*str.*, got"),
    ],
)
def test_a_wrong_row_is_named_with_its_field(row: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        read_table({"rows": {"llama": row}, "wrappers": [], "refused": {}})


def test_an_architecture_stands_once() -> None:
    with pytest.raises(ArgumentError, match=r"must stand once in the table, got \['llama'\] twice"):
        read_table({"rows": {"llama": {}}, "wrappers": [], "refused": {"why": ["llama"]}})


def test_unknown_architectures_are_named_with_near_ones() -> None:
    with pytest.raises(ArgumentError, match=r"'llamma'\. Did you mean 'llama'"):
        architecture("llamma")


def test_the_page_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "run python -m checkpoints.document in tests"
