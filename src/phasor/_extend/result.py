"""Everything that an extension found."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import RenderableType

from phasor._extend.embeddings import Embeddings
from phasor._extend.explain import Explanation, TableExplanation
from phasor._extend.search import Searched
from phasor._extend.verdict import Verdict
from phasor._extend.verdict_table import verdict_table
from phasor._kit.shown import Shown


@dataclass(frozen=True, kw_only=True, repr=False)
class Extension(Shown):
    """What was found, and what was written.

    Args:
        explanation: What can be said without running the model.
        verdict: What the measurements say.
        complete: Whether all that was planned was measured.
        text: Source and hash of the text.
        methods: What each candidate does, in a sentence.
        fields: What differs in the config that was written, and why; empty where none was.
        searched: By candidate, what a search found.
        training: Loss of each step of fine-tuning, nats per token; empty where there was none.
        embeddings: Of a model without a language-model head, how its vectors keep.
    """

    explanation: Explanation | TableExplanation
    verdict: Verdict
    complete: bool
    text: dict[str, str]
    methods: dict[str, str]
    fields: dict[str, str]
    searched: Mapping[str, Searched] = field(default_factory=dict)
    training: tuple[float, ...] = ()
    embeddings: Embeddings | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; a pair that stands still has the wavelength `None`."""
        values = asdict(replace(self, searched={}))
        values["searched"] = {name: found.to_json() for name, found in self.searched.items()}
        if isinstance(self.explanation, Explanation):
            # JSON has no infinity.
            values["explanation"]["wavelengths"] = [
                length if length < math.inf else None for length in self.explanation.wavelengths
            ]
        return values

    def _parts(self) -> Iterator[RenderableType]:
        yield ""
        if self.verdict.findings:
            yield verdict_table(self.verdict)
        yield self.verdict.sentence
        if not self.complete:
            yield "The budget ended before all was measured; resume=True goes on where out= is."

    def _page(self) -> str:
        from phasor._extend.page import render_page

        return render_page(self)
