"""The verbs under attack: how each is called, what it records, and what it must end with."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLOCKS = ("seconds", "tokens_per_second", "peak_memory")


@dataclass(frozen=True)
class Materials:
    """A checkpoint and a folder of text, which no verb may touch."""

    model: Path
    text: Path


@dataclass(frozen=True)
class Verb:
    """One verb.

    Args:
        name: Of the verb.
        arguments: All of them, given the materials and where the output is to be.
        records: Files whose growth says that a record is being written, given the output.
        kept: Where records are between a kill and what goes on with them, given the output.
        found: What it ended with, without clocks, given the output.
    """

    name: str
    arguments: Callable[[Materials, Path], list[str]]
    records: Callable[[Path], list[Path]]
    kept: Callable[[Path], Path | None]
    found: Callable[[Path], Any]

    @property
    def resumes(self) -> bool:
        return self.name in ("compare", "extend")


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The records of `file` without clocks; a last line that was cut does not count."""
    if not file.exists():
        return []
    whole = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [{k: v for k, v in json.loads(line).items() if k not in _CLOCKS} for line in whole]


def _ordered(records: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(record, sort_keys=True) for record in records)


def _folder(out: Path) -> dict[str, bytes]:
    return {str(f.relative_to(out)): f.read_bytes() for f in sorted(out.rglob("*")) if f.is_file()}


def _measured(out: Path) -> Path:
    return out.with_name(f"{out.name}.measuring") / "measurements.jsonl"


def _extended(out: Path) -> Any:
    """All bytes but those with clocks in them, and each record once."""
    files = _folder(out)
    del files["measurements.jsonl"]
    return files, _ordered(lines_of(out / "measurements.jsonl"))


def _compared(out: Path) -> Any:
    assert json.loads((out / "results.json").read_text())
    assert (out / "report.html").read_text().rstrip().endswith("</html>")
    return sorted({f.name for f in out.iterdir()}), _ordered(lines_of(out / "trials.jsonl"))


VERBS = [
    Verb(
        "compare",
        lambda given, out: [
            "compare", "--train-length=16", "--eval-factors=1,2", "--seeds=2", "--steps=10",
            "--batch-size=4", "--width=16", "--layers=1", "--heads=2", "--encodings=none,rotary",
            f"--text={given.text}", "--workers=1", "--device=cpu", f"--out={out}",
        ],
        lambda out: [out / "trials.jsonl", out / "results.json"],
        lambda out: out / "trials.jsonl",
        _compared,
    ),
    Verb(
        "extend",
        lambda given, out: [
            "extend", str(given.model), "--to=128", "--documents=4", "--methods=yarn",
            "--passkeys=0", f"--text={given.text}", "--device=cpu", f"--out={out}",
        ],
        lambda out: [_measured(out), out],
        _measured,
        _extended,
    ),
    Verb(
        "convert",
        lambda given, out: ["convert", str(given.model), str(out), "--layout=interleaved"],
        lambda out: [out],
        lambda out: None,
        _folder,
    ),
    Verb(
        "inspect",
        lambda given, out: ["inspect", str(given.model), "--html", str(out)],
        lambda out: [out],
        lambda out: None,
        lambda out: out.read_bytes(),
    ),
]  # fmt: skip
