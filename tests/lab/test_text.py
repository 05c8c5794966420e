"""Documents, their split, and windows that never cross from one into another."""

import bz2
import gzip
import hashlib
import lzma
import marshal
import os
import pickle
import py_compile
import random
import struct
import zlib
from pathlib import Path

import pytest
import torch

from phasor._kit.text import Text, Windows, load_text
from phasor._kit.text_bytes import as_utf8
from phasor.errors import ArgumentError


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
    characters = bytes(range(28, 128))
    characters = characters.translate(bytes.maketrans(characters[:4] + b"\x7f", b"\t\n\v\f\r"))
    (tmp_path / "one.txt").write_bytes(characters)
    text = load_text(tmp_path / "one.txt")
    assert text.train == (characters[:90],)
    assert text.held_out == (characters[90:],)
    assert "last tenth" in text.split


def test_where_the_hash_holds_out_nothing_long_enough(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_bytes(bytes([number + 48]) * 200)
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


LETTERS = {
    "ascii": "def f(x):\n\treturn x\n" * 30,
    "western": "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter\n" * 9,
    "Greek": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία\n" * 9,
    "Chinese": "天地玄黃,宇宙洪荒。日月盈昃\n" * 9,
    "emoji": "🙂🙃" * 200,
    "terminal": "\x1b[31mred\x1b[0m a\b_\x0c\n" * 9,
}


def binaries(folder: Path) -> dict[str, bytes]:
    """What folders of people hold beside text, as other libraries write it."""
    drawn = random.Random(1)
    words = " ".join(str(drawn.randrange(10**6)) for _ in range(4000)).encode()
    source = folder / "module.py"
    source.write_text("def f(x):\n    return [x, 'words', 1.5]\n" * 20)
    compiled = Path(str(py_compile.compile(str(source), cfile=str(folder / "module.pyc"))))
    found = {
        "pyc": compiled.read_bytes(), "gz": gzip.compress(words), "bz2": bz2.compress(words),
        "xz": lzma.compress(words), "zlib": zlib.compress(words),
        "pickle": pickle.dumps(list(range(5000))), "marshal": marshal.dumps([1.5, "a"] * 400),
        "floats": struct.pack("<500f", *(drawn.gauss(0, 1) for _ in range(500))),
        "wave": struct.pack("<4000h", *(int(drawn.gauss(0, 3000)) for _ in range(4000))),
        "late": b"text as it should be\n" * 9000 + bytes(range(256)) * 9,
    }  # fmt: skip
    source.unlink()
    compiled.unlink()
    return found


def test_text_is_told_from_the_rest_by_what_it_is(tmp_path: Path) -> None:
    """Names say nothing here: text is called .pyc and compiled code .txt."""
    (tmp_path / "work").mkdir()
    no_text = binaries(tmp_path / "work")
    for name, words in LETTERS.items():
        (tmp_path / f"{name}.pyc").write_text(words, encoding="utf-8", newline="")
    for name, data in no_text.items():
        (tmp_path / f"{name}.txt").write_bytes(data)
    text = load_text(tmp_path)
    whole = {a + b for a, b in zip(text.train, text.held_out, strict=True)}
    assert whole == {words.encode() for words in LETTERS.values()}
    assert text.left_out == f"{len(no_text)} files are not text (bz2.txt, floats.txt, gz.txt, ...)"


@pytest.mark.parametrize(("encoding", "name"), [
    ("utf-8-sig", "Greek"), ("utf-16", "Greek"), ("utf-16", "Chinese"), ("utf-32", "emoji"),
    ("cp1252", "western"),
])  # fmt: skip
def test_other_encodings_that_are_clearly_text_are_read_as_utf8(
    tmp_path: Path, encoding: str, name: str
) -> None:
    (tmp_path / "a").write_bytes(LETTERS[name].encode(encoding))
    text = load_text(tmp_path)
    (whole,) = (a + b for a, b in zip(text.train, text.held_out, strict=True))
    assert whole.decode("utf-8-sig") == LETTERS[name]


@pytest.mark.parametrize("encoding", ["koi8-r", "gb18030", "shift-jis"])
def test_an_encoding_that_cannot_be_told_is_left_out(tmp_path: Path, encoding: str) -> None:
    words = "все люди рождаются" if encoding == "koi8-r" else "天地宇宙日月"
    (tmp_path / "a").write_bytes((words * 40).encode(encoding))
    with pytest.raises(ArgumentError, match=r"there is no text in .*: 1 file is not text \(a\)"):
        load_text(tmp_path)


def test_a_last_character_that_is_cut_is_text_still(tmp_path: Path) -> None:
    data = LETTERS["Chinese"].encode()[:-2]
    (tmp_path / "a").write_bytes(data)
    text = load_text(tmp_path)
    assert text.train[0] + text.held_out[0] == data


@pytest.mark.parametrize("size", [64, 300, 5000])
def test_no_random_bytes_are_text(size: int) -> None:
    draw = random.Random(size)
    assert not [at for at in range(300) if as_utf8(draw.randbytes(size)) is not None]


def test_caches_and_hidden_files_are_counted(tmp_path: Path) -> None:
    for name in ("__pycache__/a.txt", "deep/__pycache__/b.txt", ".git/HEAD", ".hidden", "seen"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"words of {name} " * 9)
    text = load_text(tmp_path)
    assert text.num_bytes == len("words of seen " * 9)
    assert text.left_out == "4 files are hidden or in __pycache__"


def test_weights_of_any_size_are_passed_over(tmp_path: Path) -> None:
    """Larger than text may be, and no byte after the first look is read."""
    (tmp_path / "a.txt").write_text("words " * 40)
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(1 << 40)
    text = load_text(tmp_path)
    assert text.num_bytes == 240
    assert "model.safetensors" in text.left_out


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words " * 40)
    (tmp_path / "\x1b[2J\n.bin").write_bytes(bytes(100))
    assert load_text(tmp_path).left_out == "1 file is not text (?[2J?.bin)"
