"""The table stands on its own, and the page about it says what it holds."""

import pytest
from checkpoints.document import DOCUMENT, document
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from phasor.checkpoints.architectures import architecture, architectures
from phasor.errors import ArgumentError


def test_every_architecture_of_transformers_has_a_row() -> None:
    assert set(CONFIG_MAPPING_NAMES) <= set(architectures())


def test_rows_refer_to_rows() -> None:
    table = architectures()
    for name, row in table.items():
        assert (row.mechanism == "unsupported") == bool(row.reason), name
        assert row.otherwise is None or row.otherwise in table, name
        for tower in row.towers.values():
            assert tower.get("row", name) in table, name
            assert set(tower) <= {"config", "row"}, name


def test_unknown_architectures_are_named_with_near_ones() -> None:
    with pytest.raises(ArgumentError, match=r"'llamma'\. Did you mean 'llama'"):
        architecture("llamma")


def test_the_page_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "run python -m checkpoints.document in tests"
