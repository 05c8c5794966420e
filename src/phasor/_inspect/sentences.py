"""What the numbers of an inspection mean, in sentences; for the terminal and for the page."""

from phasor._inspect.inspect import Inspection
from phasor._inspect.rotation import Rotation
from phasor._inspect.rounding import Rounding
from phasor._words import number
from phasor.rotary.words import scaling_in_words
from phasor.spec.layer_words import which_layers

_FROM = {
    "original_seq_len": "the original length that its scaling states",
    "trained_seq_len": "the longest sequence that it says it was trained on",
    "max_seq_len over factor": "the longest length over the factor of its scaling",
    "max_seq_len": "the longest length it is meant for",
}
_SAME = 1e-6


def headline(inspection: Inspection) -> str:
    """The model in one line."""
    spec = inspection.spec
    layers = f"{len(spec.layers)} layer{'s' if len(spec.layers) > 1 else ''}"
    sees = "tokens see earlier ones" if spec.causal else "tokens see all"
    meant = (
        "no longest length stated"
        if spec.max_seq_len is None
        else f"meant for {number(spec.max_seq_len)} tokens"
    )
    return f"{spec.model}: {layers}, {sees}, {meant}"


def layer_lines(inspection: Inspection) -> list[tuple[str, str]]:
    """Which layers, and what they do; the embedding first."""
    embedding = inspection.spec.embedding
    lines = [] if embedding is None else [("embedding", embedding.in_words())]
    return lines + [(group.which, group.words) for group in inspection.groups]


def rotation_title(inspection: Inspection, rotation: Rotation) -> str:
    """Which rotary encoding this is."""
    which = which_layers(list(rotation.layers), len(inspection.spec.layers))
    at = "" if rotation.length is None else f", looked at for {number(rotation.length)} tokens"
    part = "the indexer of " if rotation.of_indexer else ""
    return f"Rotation in {part}{which}{at}"


def rotation_lines(rotation: Rotation, rounding: Rounding | None) -> list[tuple[str, str]]:
    """What the numbers of a rotary encoding mean, each with its name."""
    lines = []
    if rotation.trained_length is not None:
        lines.append(
            (
                "trained context",
                f"{number(rotation.trained_length)} tokens, {_FROM[rotation.trained_from]}",
            )
        )
    if rotation.rotary.scaling is not None:
        lines.append(("scaling", _scaling(rotation)))
    lines.append(("turns", _turns(rotation)))
    lines.append(("effective context", _effective(rotation)))
    if rounding is not None:
        lines.append(("float32", _float32(rounding)))
    return lines


def _scaling(rotation: Rotation) -> str:
    slowed = [pair.slowed for pair in rotation.pairs]
    if max(slowed) < 1 + _SAME and min(slowed) > 1 - _SAME:
        effect = "leaves every pair as it is"
    elif max(slowed) - min(slowed) < _SAME * max(slowed):
        effect = f"slows every pair down {number(slowed[0])} times"
    else:
        kept = [at for at, by in enumerate(slowed) if abs(by - 1) < _SAME]
        most = max(slowed)
        fully = [at for at, by in enumerate(slowed) if by > most * (1 - _SAME)]
        parts = [f"leaves {_pairs(kept)} alone"] if kept else []
        parts.append(f"slows {_pairs(fully)} down {number(most)} times")
        between = [at for at in range(len(slowed)) if at not in kept and at not in fully]
        if between:
            lowest, highest = (f(slowed[at] for at in between) for f in (min, max))
            parts[-1] += f" and {_pairs(between)} {lowest:.2g} to {highest:.2g} times"
        effect = ", ".join(parts)
    gains = []
    if rotation.attention_scale != 1:
        gains.append(f"cos and sin times {number(rotation.attention_scale)}")
    if rotation.softmax_scale != 1:
        gains.append(f"attention logits times {number(rotation.softmax_scale)}")
    return f"{scaling_in_words(rotation.rotary.scaling)} {'; '.join([effect, *gains])}"


def _turns(rotation: Rotation) -> str:
    standing, never = rotation.standing, rotation.never_around
    still = f"; {_pairs(list(standing))} stand still" if standing else ""
    if rotation.trained_length is None:
        return f"{len(rotation.pairs) - len(standing)} of {len(rotation.pairs)} pairs turn{still}"
    local = rotation.met is not None and rotation.met < rotation.trained_length
    where = f"the {number(rotation.met or 0)} tokens seen" if local else "the trained context"
    if not never:
        return f"every pair that turns goes around at least once in {where}{still}"
    count = f"{len(never)} of {len(rotation.pairs)} pairs ({_pairs(list(never))}) never go around"
    if local:
        return f"{count} in {where}, of whatever length the text is{still}"
    return f"{count} in {where}: past it they meet new angles, pair {never[0]} fastest{still}"


def _effective(rotation: Rotation) -> str:
    if rotation.trained_length is None:
        return "unknown, for want of a trained context"
    limit = rotation.effective_length
    if limit is None and rotation.reach is not None and rotation.reach < rotation.trained_length:
        return f"any: no query meets a key more than {number(rotation.reach - 1)} tokens away"
    if limit is None:
        return "no limit: every pair has met all its angles"
    return f"{number(limit)} tokens; up to there no pair meets an angle that it never met before"


def _float32(rounding: Rounding) -> str:
    return (
        f"angles formed in float32 are off by up to {rounding.float32:.2g} rad at "
        f"{number(rounding.length)} tokens; with frequencies cast to bfloat16 by up to "
        f"{rounding.bfloat16:.2g} rad"
    )


def travel_line(inspection: Inspection) -> str | None:
    """How far news travels, where every layer has a window."""
    if inspection.travel is None:
        return None
    return (
        f"every layer has a window: the last one can know of at most the "
        f"{number(inspection.travel)} latest tokens"
    )


def _pairs(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"pair {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"pairs {numbers[0]} to {numbers[-1]}"
    return f"{len(numbers)} pairs from {numbers[0]} to {numbers[-1]}"
