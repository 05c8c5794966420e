"""Documents, their split, and windows that never cross from one into another."""

import hashlib
import os
from pathlib import Path

import pytest
import torch

from phasor.errors import ArgumentError
from phasor.lab.text import Text, Windows, load_text


def test_standard_library_without_tests_and_tables() -> None:
    text = load_text()
    assert 5e6 < text.num_bytes < 2e7
    assert 0.04 < len(text.held_out) / (len(text.train) + len(text.held_out)) < 0.2
    assert not set(text.train) & set(text.held_out)
    assert any(b"def heappush(" in document for document in text.train + text.held_out)
    assert not any(b"class TestHeap" in document for document in text.train + text.held_out)
    assert text.sha256 == load_text().sha256


def test_split_by_the_hash_of_the_name(folder_of_text: Path, text: Text) -> None:
    held_out = [
        file.read_bytes()
        for file in sorted(folder_of_text.iterdir())
        if hashlib.sha256(file.name.encode()).digest()[0] < 25.6
    ]
    assert held_out
    assert list(text.held_out) == held_out
    assert len(text.train) == 40 - len(held_out)


def test_few_files_give_their_last_tenth(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(bytes(range(100)))
    text = load_text(tmp_path / "one.txt")
    assert text.train == (bytes(range(90)),)
    assert text.held_out == (bytes(range(90, 100)),)
    assert "last tenth" in text.split


def test_where_the_hash_holds_out_nothing_long_enough(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_bytes(bytes([number]) * 200)
    assert "by the hash" in load_text(tmp_path, window=200).split
    text = load_text(tmp_path, window=201)
    assert "last tenth" in text.split
    assert all(len(document) == 180 for document in text.train)


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_text("x" * 50)
    assert load_text(tmp_path).num_bytes == 50
    assert load_text(tmp_path / name).source.endswith("caf\ufffd.txt")


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(ArgumentError, match=r"cannot read x+: File name too long"):
        load_text(Path("x" * 300))


def test_copies_of_a_file_are_read_once(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"same" * 10)
    assert load_text(tmp_path).num_bytes == 40


def test_the_hash_tells_texts_apart(tmp_path: Path) -> None:
    hashes = set()
    for name, content in (("a", b"xy"), ("b", b"xy"), ("a", b"xyz")):
        folder = tmp_path / f"{name}{len(content)}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        hashes.add(load_text(folder).sha256)
    assert len(hashes) == 3


def test_hidden_files_and_empty_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("secret")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "real.txt").write_text("x" * 100)
    assert load_text(tmp_path).num_bytes == 100


@pytest.mark.parametrize("what", ["missing", "empty file", "empty folder"])
def test_no_text(tmp_path: Path, what: str) -> None:
    path = tmp_path / "there"
    if what == "empty file":
        path.touch()
    elif what == "empty folder":
        path.mkdir()
    with pytest.raises(ArgumentError, match="there is no text"):
        load_text(path)


def test_windows_never_cross_documents_and_reach_every_place() -> None:
    documents = [b"aaaaaa", b"bb", b"cccc", b"ddd"]
    windows = Windows(documents, 3)
    assert len(windows) == 4 + 0 + 2 + 1
    drawn = windows.draw(2000, torch.Generator().manual_seed(0))
    assert {bytes(row) for row in drawn.tolist()} == {b"aaa", b"ccc", b"ddd"}
    share = (drawn[:, 0] == ord("a")).double().mean().item()
    assert abs(share - 4 / 7) < 0.05


def test_each_window_is_equally_likely() -> None:
    document = bytes(range(10))
    windows = Windows([document, bytes(range(50, 56))], 4)
    drawn = windows.draw(12_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn[:, 0], minlength=60)
    assert set(counts.nonzero().flatten().tolist()) == {*range(7), 50, 51, 52}
    assert counts[counts > 0].min() > 1000
    assert bool((drawn.diff(dim=1) == 1).all())


def test_windows_longer_than_any_document() -> None:
    with pytest.raises(
        ArgumentError, match=r"takes 9 bytes of one document, and the longest has 5"
    ):
        Windows([b"12345"], 9)


PAGE = """<!DOCTYPE html><html><head><title>On order</title><style>p { color: red }</style>
<script>if (1 < 2) document.write("<p>no</p>")</script></head>
<body><!-- hidden --><p>Caf&eacute; &amp; <b>bar</b>, 1 &lt; 2</p><p>last"""


def test_of_html_files_the_text_alone_is_read(tmp_path: Path) -> None:
    (tmp_path / "page.HTML").write_text(PAGE)
    (tmp_path / "plain.txt").write_text("<b>as it is</b>")
    text = load_text(tmp_path)
    page, plain = (a + b for a, b in zip(text.train, text.held_out, strict=True))
    assert page.split() == "On order Café & bar, 1 < 2 last".encode().split()
    assert plain == b"<b>as it is</b>"
