"""Everything that an extension found."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from phasor.extension.embeddings import Embeddings
from phasor.extension.explain import Explanation, TableExplanation
from phasor.extension.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What was found, and what was written.

    Args:
        explanation: What can be said without running the model.
        verdict: What the measurements say.
        complete: Whether all that was planned was measured.
        text: Source and hash of the text.
        methods: What each candidate does, in a sentence.
        fields: What differs in the config that was written, and why; empty where none was.
        searched: By candidate, the setting that a search found, its loss, and those of all tried.
        training: Loss of each step of fine-tuning, nats per token; empty where there was none.
        embeddings: Of a model without a language-model head, how its vectors keep.
    """

    explanation: Explanation | TableExplanation
    verdict: Verdict
    complete: bool
    text: dict[str, str]
    methods: dict[str, str]
    fields: dict[str, str]
    searched: dict[str, Any] = field(default_factory=dict)
    training: tuple[float, ...] = ()
    embeddings: Embeddings | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; a pair that stands still has the wavelength `None`."""
        values = asdict(self)
        if isinstance(self.explanation, Explanation):
            # JSON has no infinity.
            values["explanation"]["wavelengths"] = [
                length if length < math.inf else None for length in self.explanation.wavelengths
            ]
        return values
