"""What there is to know about a spec."""

from collections.abc import Iterator, Sequence

from phasor._inspect.finding import Finding
from phasor._inspect.known_defects import (
    DEFECTS,
    alibi_is_uneven,
    base_of_its_own,
    indexer_turns_otherwise,
    is_absolute,
    unlike_layers,
)
from phasor._inspect.rotation import Rotation
from phasor._inspect.rounding import Rounding
from phasor._words import number
from phasor.spec import PositionSpec

_COARSE = 0.01
_TF32_INTEGERS = 2048


def spec_findings(
    spec: PositionSpec, rotations: Sequence[Rotation], roundings: Sequence[Rounding | None]
) -> list[Finding]:
    """Warnings first."""
    found = [*_of_spec(spec)]
    for rotation in rotations:
        found += _of_angles(rotation, spec)
        found += [
            Finding("warning", defect.code, defect.text, defect.references)
            for defect in DEFECTS
            if not rotation.of_indexer and defect.hits(rotation.rotary, spec)
        ]
    found += _of_rounding([rounding for rounding in roundings if rounding is not None])
    if rotations:
        found += _of_stored_frequencies(spec, rotations)
    once = list(dict.fromkeys(found))
    return sorted(once, key=lambda finding: finding.level == "note")


def _of_spec(spec: PositionSpec) -> Iterator[Finding]:
    if unlike_layers(spec):
        yield Finding(
            "warning",
            "layers-without-encoding",
            "Some layers turn and others have no rotary encoding; configs say which by lists of "
            "opposite meaning (no_rope_layers is 1 where a layer does turn).",
            ("huggingface/transformers#43756",),
        )
    if indexer_turns_otherwise(spec):
        yield Finding(
            "warning",
            "indexer-turns-otherwise",
            "The indexer that chooses tokens turns other pairs of channels than attention does. "
            "Code that turns both alike chooses the wrong tokens: short texts, of which all "
            "tokens are chosen, do not show it, and long ones get worse without an error.",
            (
                "vllm-project/vllm#28968",
                "huggingface/transformers#46842",
                "ml-explore/mlx-lm#1431",
            ),
        )
    if alibi_is_uneven(spec):
        yield Finding(
            "warning",
            "alibi-slopes",
            "ALiBi's number of heads is no power of two; code that takes the formula for powers of "
            "two has other slopes than its authors.",
            ("ml-explore/mlx#343", "ml-explore/mlx#3071"),
        )
    if is_absolute(spec):
        yield Finding(
            "warning",
            "left-padding",
            "Positions are rows of a table: a left-padded batch needs position_ids counted from "
            "the first real token, and a position past the table is an error or garbage.",
            ("huggingface/transformers#21080", "ndif-team/nnsight#672"),
        )


def _of_angles(rotation: Rotation, spec: PositionSpec) -> Iterator[Finding]:
    pairs, unseen = rotation.pairs, rotation.unseen
    if rotation.trained_length is None:
        yield Finding(
            "note",
            "no-trained-length",
            "The model states no length, so nothing is said of what it was trained on; look at it "
            "for a length with --length.",
            ("docs/reference/specs.md",),
        )
    if unseen and rotation.length is not None:
        meant = spec.max_seq_len if spec.trained_seq_len is None else spec.trained_seq_len
        within = meant is not None and rotation.length <= meant
        limit = rotation.effective_length
        first = unseen[0]
        yield Finding(
            "note" if within else "warning",
            "unseen-angles",
            f"At {number(rotation.length)} tokens {len(unseen)} of {len(pairs)} pairs meet angles "
            f"that they never met in {number(rotation.trained_length or 0)}"
            + (f", from {number(limit + 1)} tokens on" if limit else "")
            + f"; pair {first} first, of {number(round(pairs[first].wavelength))} tokens a turn."
            + " That holds up only if the model was trained further at such lengths." * within,
            ("arXiv:2310.05209", "arXiv:2309.00071"),
        )


def _of_rounding(roundings: Sequence[Rounding]) -> Iterator[Finding]:
    if not roundings:
        return
    worst = max(roundings, key=lambda rounding: rounding.float32)
    if worst.float32 > _COARSE:
        yield Finding(
            "note",
            "float32-angles",
            f"Angles formed in float32, as transformers does, are off by up to "
            f"{worst.float32:.2g} rad at {number(worst.length)} tokens "
            f"(pair {worst.float32_pair}).",
            ("benchmarks/precision.py",),
        )
    worst = max(roundings, key=lambda rounding: rounding.bfloat16)
    if worst.bfloat16_from is not None:
        yield Finding(
            "note",
            "bfloat16-buffers",
            f"Cast to bfloat16, frequencies are off by up to {worst.bfloat16:.2g} rad at "
            f"{number(worst.length)} tokens, by 0.1 rad from token {number(worst.bfloat16_from)} "
            "on. model.to(torch.bfloat16) casts them in transformers; "
            "from_pretrained(dtype=torch.bfloat16) does not.",
            ("huggingface/transformers#25681", "huggingface/transformers#29285"),
        )


def _of_stored_frequencies(spec: PositionSpec, rotations: Sequence[Rotation]) -> Iterator[Finding]:
    bases = [base for rotation in rotations if (base := base_of_its_own(rotation.rotary))]
    if bases:
        yield Finding(
            "note",
            "base-not-10000",
            f"The base is {' and '.join(dict.fromkeys(map(number, bases)))}. Software that reads "
            "rope_theta where transformers 4 wrote it falls back to 10,000 for files of "
            "transformers 5, without a word.",
            ("deepspeedai/DeepSpeed#8345", "InternLM/lmdeploy#4304"),
        )
    if spec.max_seq_len is not None and spec.max_seq_len > _TF32_INTEGERS:
        yield Finding(
            "note",
            "tf32-angles",
            "transformers forms angles by a matrix product, which TF32 "
            '(set_float32_matmul_precision("high")) rounds: positions past 2,048 are no longer '
            "whole.",
            ("huggingface/transformers#48428",),
        )
    yield Finding(
        "note",
        "meta-init",
        "transformers keeps frequencies in a buffer that no checkpoint holds: after to_empty() on "
        "a model made on the meta device it must be computed anew.",
        ("huggingface/transformers#45902", "pytorch/torchtitan#4783"),
    )
