"""How often a few documents, drawn again and again, speak for another method than all do."""

import random
from collections.abc import Sequence

from phasor._extend.store import Measurement
from phasor._extend.subject import Candidate
from phasor._extend.verdict import judge

TRAINED, TARGET, ALL = 64, 256, 32


def changes(
    measured: Sequence[Measurement], found: Sequence[Candidate], *, documents: int, redraws: int
) -> float:
    """Share of redraws that recommend, as if sure, another method than all documents do."""
    whole = judge(measured, found, trained_length=TRAINED, target_length=TARGET)
    chance = random.Random(0)
    other = 0
    for _ in range(redraws):
        few = chance.sample(range(ALL), documents)
        few_measured = [m for m in measured if m.document in few]
        best = judge(few_measured, found, trained_length=TRAINED, target_length=TARGET).best
        other += best not in (None, whole.best or whole.written)
    return other / redraws
