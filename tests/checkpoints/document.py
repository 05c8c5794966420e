"""docs/reference/architectures.md, made from the table and from what the proof runs.

`python -m checkpoints.document` in `tests` writes it. That each verified architecture is one, the
proof shows: test_proof.py, test_proof_elsewhere.py, test_proof_wrapped.py, test_chunks.py and
test_proof_of_images.py run them all, and those of `subjects_others.json` test_uneven.py,
test_relative.py and test_buckets.py.
"""

from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from checkpoints.proof import HALVES_OUT
from checkpoints.tiny import Subject, subjects
from checkpoints.wrapped import parts_of, wrappers
from transformers import CONFIG_MAPPING
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from phasor._read.architectures import Architecture, architectures

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "architectures.md"

_FILES = (
    "subjects.json",
    "subjects_without_rotation.json",
    "subjects_without_position.json",
    "subjects_of_audio.json",
    "subjects_of_chunks.json",
    "subjects_of_images.json",
    "subjects_others.json",
)

_HEAD = """# Architectures

What `phasor.read` makes of each `model_type` of transformers {version}. Made by
`python -m checkpoints.document` in `tests`, from `src/phasor/_read/architectures.json`.

- **Verified**: {verified}. The tests build and run a tiny random model of the class. What its own
  code does to position equals what the encodings of the spec do, layer by layer, to float32
  rounding: how queries and keys turn (with different positions on different axes, where there are
  several), which channels, in which layers, what scores are scaled by, how many tokens a query
  sees, which rows of a table are read, which biases are added.
  Of a model with parts, the part that reads text is run inside it, and what the spec says of the
  others is shown where they are verified themselves. Of a model without position, nothing turns,
  and what the last token gets does not depend on the order of those before it.
- **Rotates bfloat16 in**: the dtype, as `phasor.patch` measures it for each text model: that of the
  activations if nothing is said; by tables that stay in float32; with activations and rounded
  tables cast to float32 (products); or both; and cast back. In part: in a second call, which
  gets float32 and returns it.
- **Read only**: {read}. There is a row, or the parts have rows; no model was run.
- **Not supported**: {refused}. `read` refuses them and says why.

## Verified

| `model_type` | layers | rotates bfloat16 in | in the code and not in the spec |
|---|---|---|---|
"""

_MECHANISMS = {"alibi": "ALiBi", "none": "", "t5": "T5 buckets"}
_SCORES = {
    "deberta": "DeBERTa",
    "inkling": "relative logits",
    "shaw": "Shaw",
    "transformer_xl": "Transformer-XL",
}
_TURNING = {
    "nanochat": "backwards",
    "hunyuan_vl": "no rotation: sections",
    "vjepa2": "no rotation: tiled",
    "clvp": "values turn",
    "deepseek_v4": "values turn, the output turns back",
}
_SOME = {"cohere2", "cohere2_moe", "exaone4", "olmo_hybrid"}
_GROWING = {"beam", "llama4", "ministral3", "mistral4", "mistral_large4"}
"""What odd functions do to a layer, in words."""


def document() -> str:
    """The page."""
    table = {name: row for name, row in architectures().items() if "/" not in name}
    run = [subject for file in _FILES for subject in subjects(file).values()]
    verified = {name for subject in run for name in _model_types(subject, table)}
    verified |= {wrapper.config_class.model_type for wrapper in wrappers().values()}
    verified = _also_called(verified) & set(table)
    refused = {name for name, row in table.items() if row.mechanism == "unsupported"}
    inside = {name for name in set(table) - verified - refused if _is_refused_inside(name, table)}
    refused |= inside
    read = set(table) - verified - refused
    head = _HEAD.format(
        version=version("transformers"),
        verified=len(verified),
        read=len(read),
        refused=len(refused),
    )
    lines = [_line(name, table[name]) for name in sorted(verified)]
    parts = sorted(name for name in read if table[name].stack is not None)
    own = sorted(read - set(parts))
    text = head + "\n".join(lines) + "\n\n## Read only\n\n"
    text += f"By the row of the model inside: {_listed(parts)}.\n\nBy a row of their own: "
    text += f"{_listed(own)}.\n\n## Not supported\n\n"
    by_reason = defaultdict(list)
    for name in sorted(refused):
        by_reason[table[name].reason or "the model inside is refused"].append(name)
    return (
        text
        + "\n".join(
            f"- {reason[0].upper()}{reason[1:]}: {_listed(names)}."
            for reason, names in sorted(by_reason.items())
        )
        + "\n"
    )


def _model_types(subject: Subject, table: Mapping[str, Architecture]) -> set[str]:
    """Of a config class, and of its parts that are stacks of its spec, all of which are proven."""
    kind = subject.config_class
    row = table.get(kind.model_type)
    names = {kind.model_type}
    if row is not None:
        held = {name: tower.config for name, tower in row.towers.items()}
        parts = [row.stack, *(part for name, part in held.items() if name not in subject.without)]
        known = parts_of(kind)
        names |= {known[part].model_type for part in parts if part in known}
    return names


def _is_refused_inside(name: str, table: Mapping[str, Architecture]) -> bool:
    row = table[name]
    if row.stack is None:
        return False
    inner = parts_of(CONFIG_MAPPING[name])[row.stack].model_type
    return table[inner].mechanism == "unsupported"


def _also_called(verified: set[str]) -> set[str]:
    """With the further names of their config classes."""
    classes = {CONFIG_MAPPING_NAMES.get(name) for name in verified}
    return verified | {name for name, kind in CONFIG_MAPPING_NAMES.items() if kind in classes}


def _line(name: str, row: Architecture) -> str:
    rotates = row.mechanism == "rotary" and row.stack is None and row.odd != "vjepa2"
    dtype = row.dtype if rotates and row.dtype != "activations" else ""
    return f"| `{name}` | {_words(name, row)} | {dtype} | {'; '.join(row.omits)} |"


def _words(name: str, row: Architecture) -> str:
    if row.stack is not None:
        return f"of `{row.stack}`"
    if row.mechanism != "rotary":
        inside = _SCORES.get(row.odd or "", _MECHANISMS[row.mechanism])
        added = "" if row.embedding is None else f"{row.embedding.kind} table"
        return ", ".join(filter(None, (inside, added))) or "no position"
    words = ["rotary", row.layout]
    words += ["pairs in, halves out"] * (name in HALVES_OUT)
    words += ["part of each head"] * (row.partial or row.latent)
    words += [_TURNING[row.odd]] if row.odd in _TURNING else []
    words += [f"{row.sections} sections"] * (row.sections is not None)
    words += [f"rows and columns ({row.axes})".replace("_", " ")] * (row.axes is not None)
    words += ["some layers without"] * (row.turning is not None or row.odd in _SOME)
    words += ["query temperature"] * (row.odd in _GROWING)
    words += ["both directions"] * (not row.causal)
    if row.embedding is not None:
        words.append(f"{row.embedding.kind} table")
    return ", ".join(words)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
