"""Every verb that reads a model, on every file that is not one: one sentence, and nothing lost."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints.converting.models import build

FORKS = Path(__file__).with_name("forks.py")
Job = tuple[list[str], str | None, int | None]


def run(jobs: list[Job]) -> list[tuple[int, str, str]]:
    done = subprocess.run(
        [sys.executable, FORKS], input=json.dumps(jobs), capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def content(folder: Path) -> dict[str, bytes]:
    files = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "llama"
    build("llama").save_pretrained(folder)
    return folder


def gguf(path: Path) -> Path:
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(128)
    writer.add_embedding_length(48)
    writer.add_head_count(4)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tensor("token_embd.weight", np.zeros((96, 48), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def cut(name: str, share: float) -> Callable[[Path], Path]:
    def damage(folder: Path) -> Path:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(len(whole) * share)])
        return folder

    return damage


def cut_gguf(keep: Callable[[int], int]) -> Callable[[Path], Path]:
    def damage(folder: Path) -> Path:
        path = gguf(folder / "model.gguf")
        whole = path.read_bytes()
        path.write_bytes(whole[: keep(len(whole))])
        return path

    return damage


def config(**changes: Any) -> Callable[[Path], Path]:
    def damage(folder: Path) -> Path:
        old = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**old, **changes}))
        return folder

    return damage


def nested(folder: Path) -> Path:
    text = (folder / "config.json").read_text().rstrip().removesuffix("}")
    deep = '{"a":' * 10_000 + "1" + "}" * 10_000
    (folder / "config.json").write_text(f'{text}, "rope_scaling": {deep}}}')
    return folder


def elsewhere(name: str) -> Callable[[Path], Path]:
    """The file lies outside of the folder, whole; a link is in its place."""

    def damage(folder: Path) -> Path:
        outside = folder.with_name(f"{folder.name}, outside")
        outside.mkdir()
        shutil.move(folder / name, outside / name)
        (folder / name).symlink_to(outside / name)
        return folder

    return damage


def gone(folder: Path) -> Path:
    shutil.rmtree(folder)
    return folder


NO_BASE = {"rope_type": "default", "rope_theta": "x"}
NO_GGUF = ("no complete GGUF", "is a file; name its folder")
# Fragments of what must be said: by all, or by `inspect`, `diff` and `check`, and by `convert`.
BAD: dict[str, tuple[Callable[[Path], Path], tuple[str, str]]] = {
    "missing": (gone, ("does not exist", "there is no folder")),
    "weights cut": (cut("model.safetensors", 0.5), ("no complete safetensors", "not a whole safe")),
    "weights elsewhere": (elsewhere("model.safetensors"), ("outside of that folder",) * 2),
    "config elsewhere": (elsewhere("config.json"), ("outside of that folder",) * 2),
    "header cut": (cut("model.safetensors", 1e-4), ("no complete safetensors", "not a whole safe")),
    "100 MB": (config(note="a" * 100_000_000), ("larger than the 16 MB",) * 2),
    "nested": (nested, ("nested deeper than the 64 levels",) * 2),
    "unknown": (config(model_type="lama"), ("'lama'",) * 2),
    "heads": (config(num_attention_heads="4"), ("num_attention_heads",) * 2),
    "width": (config(head_dim=[12]), ("head_dim",) * 2),
    "base": (config(rope_parameters=NO_BASE), ("rope_theta",) * 2),
    "rope": (config(rope_parameters=[1]), ("rope_parameters",) * 2),
    "type": (config(model_type=["llama"]), ("model_type",) * 2),
    "GGUF cut": (cut_gguf(lambda size: size // 2), NO_GGUF),
    "GGUF header": (cut_gguf(lambda _: 100), NO_GGUF),
    "GGUF magic": (cut_gguf(lambda _: 4), NO_GGUF),
}  # fmt: skip


def test_one_sentence_and_nothing_lost(good: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    jobs: list[Job] = []
    wanted = []
    for name, (damage, (read, converted)) in BAD.items():
        shutil.copytree(good, tmp_path / name)
        bad = str(damage(tmp_path / name))
        for fragment, arguments in (
            (read, ["inspect", bad, "--json", "--html", str(tmp_path / "page.html")]),
            (read, ["diff", str(good), bad]),
            (read, ["check", bad]),
            (converted, ["convert", bad, str(target), "--layout=interleaved"]),
            (converted, ["convert", bad, "--detect"]),
        ):
            # It guesses at architectures, and the base makes no difference to it.
            if arguments[-1] == "--detect" and name in ("unknown", "base"):
                continue
            jobs.append((arguments, None, None))
            wanted.append((name, fragment))
    before = content(tmp_path)
    wrong = []
    for (name, fragment), (arguments, _, _), (status, stdout, stderr) in zip(
        wanted, jobs, run(jobs), strict=True
    ):
        sentence = re.fullmatch(r"Error: [^\n]{1,600}\n", stderr)
        if status != 2 or stdout or not sentence or fragment not in stderr:
            wrong.append((name, arguments[0], status, stdout[:80], stderr[-400:]))
    assert not wrong
    assert len(jobs) == 5 * len(BAD) - 2
    assert content(tmp_path) == before


def test_good_input_and_a_full_disk(good: Path, tmp_path: Path) -> None:
    page, target = tmp_path / "page.html", tmp_path / "target"
    page.write_text("the page of before")
    convert = ["convert", str(good), str(target), "--layout=interleaved", "--no-verify"]
    before = content(good)
    verbs = [["inspect", str(good)], ["diff", str(good), str(good)], ["check", str(good)]]
    jobs: list[Job] = [([*verb, "--json"], None, None) for verb in verbs]
    jobs += [([*verb, "--json"], "/dev/full", None) for verb in verbs]
    jobs += [(verb, "/dev/full", None) for verb in verbs]
    jobs += [
        (["inspect", str(good), "--html", str(page)], None, 10_000),
        (convert, None, 10_000),
        ([*convert, "--json"], "/dev/full", None),
    ]
    done = run(jobs)
    for status, stdout, stderr in done[:3]:
        assert (status, stderr) == (0, "")
        json.loads(stdout)
    for status, stdout, stderr in done[3:9]:
        message = "Error: the output cannot be written: No space left on device\n"
        assert (status, stdout, stderr) == (1, "", message)
    status, stdout, stderr = done[9]
    assert (status, stdout) == (1, "")
    assert stderr == f"Error: {page} cannot be written: File too large\n"
    assert page.read_text() == "the page of before"
    status, stdout, stderr = done[10]
    assert (status, stdout) == (1, "")
    assert stderr == f"Error: {target}: File too large; nothing was kept\n"
    # What was written whole stays, although it cannot be said.
    status, stdout, stderr = done[11]
    assert (status, stdout, stderr) == (1, "", message)
    assert {path.name for path in target.iterdir()} == set(before)
    assert content(good) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "target"]
