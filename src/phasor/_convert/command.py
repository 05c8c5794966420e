"""Converts, verifies, and says what it did."""

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from phasor._convert.convert import Plan, plan, write
from phasor._convert.families import PAIR_LAYOUTS, PairLayout
from phasor._convert.heads import MARK
from phasor._convert.logits import compare_logits, why_not
from phasor._convert.proof import prove
from phasor._convert.source import CONFIG, read_source
from phasor._kit.shown import Shown
from phasor._kit.watching import Advanced, Begun, begin, telling
from phasor._options import Option, taking
from phasor.errors import ArgumentError, PhasorError, unknown_name

# What libraries raise where a model cannot be run after all.
_CANNOT_RUN = (ImportError, OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Options:
    """What `phasor.convert` takes, and `phasor convert`.

    `progress` is told what is done, how many bytes of it, and of how many; `None` shows a bar.
    """

    source: Annotated[str | Path, Option("Folder of a safetensors checkpoint.")]
    target: Annotated[str | Path, Option("Folder to make; must not exist.")]
    _: KW_ONLY
    layout: Annotated[
        PairLayout | None,
        Option("Pairs wanted: half, interleaved, or half-reversed (nanochat)."),
    ] = None
    format: Annotated[
        Literal["hf", "meta"] | None,
        Option(
            "Or format wanted, for LLaMA: hf (transformers) or meta, with its names, "
            "configuration and pairs."
        ),
    ] = None
    base: Annotated[str | Path | None, Option("Of a LoRA adapter: the folder of its model.")] = None
    verify: Annotated[
        bool | None,
        Option("Compare logits before and after.", default="where the model can be run"),
    ] = None
    progress: Callable[[str, int, int], None] | None = None


Event = Begun[str] | Advanced[str]
"""Of what is done, and how many bytes of it."""

Watch = Callable[[Event], None]


@dataclass(frozen=True, repr=False)
class Conversion(Shown):
    """What was converted, and how it was verified.

    Args:
        target: The folder that was made.
        source_layout: Layout before.
        target_layout: Layout after.
        format: Of the new checkpoint.
        tensors: Tensors that changed.
        num_bytes: Of all tensors.
        projections: Of those that changed, how many had the products of their heads compared.
        products: Their largest difference, relative to the largest product.
        logits: Largest difference of logits relative to the largest, `None` if not compared.
        not_compared: Why logits were not.
        left_out: Files of the source that are not in the new folder.
        note: What else to know of the new configuration.
    """

    target: Path
    source_layout: PairLayout
    target_layout: PairLayout
    format: str
    tensors: int
    num_bytes: int
    projections: int
    products: float
    logits: float | None
    not_compared: str | None
    left_out: tuple[str, ...]
    note: str | None

    def _parts(self) -> Iterator[str]:
        yield (
            f"{self.target}: {self.source_layout} to {self.target_layout}, {self.tensors} tensors "
            f"changed, {self.num_bytes:,} bytes"
        )
        if self.projections:
            yield (
                f"verified: products of all heads of {self.projections} projections agree to "
                f"{self.products:.0e} of the largest"
            )
        else:
            yield "products of heads were not compared: none of the projections allows it"
        if self.logits is not None:
            yield f"verified: logits agree to {self.logits:.0e} of the largest"
        if self.not_compared is not None:
            yield f"logits were not compared: {self.not_compared}"
        if self.left_out:
            yield f"not taken along: {', '.join(self.left_out)}"
        if self.note is not None:
            yield self.note


@taking(Options)
def convert(options: Options) -> Conversion:
    """Rewrite a checkpoint for code that pairs other channels.

    Query and key projections, their biases and norms, fused projections and LoRA adapters; grouped
    heads too. The new folder appears whole or not at all, and the old one is left alone.

    Returns:
        What changed and how it was verified.

    Raises:
        ArgumentError: A checkpoint that cannot be converted so; it says why.

    """
    progress = options.progress
    if progress is not None:
        return run(options, telling(lambda at: progress(at.what, at.done, at.total), Advanced))
    from rich.console import Console

    from phasor._convert.progress import shown_on

    with shown_on(Console(stderr=True)) as watch:
        return run(options, watch)


def run(options: Options, watch: Watch) -> Conversion:
    """What `convert` does; `watch` is told how far it is."""
    layout, to = options.layout, options.format
    if (layout is None) == (to is None):
        raise ArgumentError("pass either layout= or format=")
    if layout is not None and layout not in PAIR_LAYOUTS:
        raise unknown_name("layout=: there is no layout", layout, list(PAIR_LAYOUTS))
    if to not in (None, "hf", "meta"):
        raise unknown_name("format=: there is no format", to, ["hf", "meta"])
    base = None if options.base is None else Path(options.base)
    source, target = Path(options.source), Path(options.target)
    verify = options.verify
    planned = plan(read_source(source, base=base), layout=layout, to=to)
    reason = "verify=False" if verify is False else why_not(planned)
    if verify and reason is not None:
        raise ArgumentError(f"verify=True: the model cannot be run here: {reason}")
    found = _Verified(planned, verify=verify, reason=reason, watch=watch)
    advance = begin(watch, "writing", planned.num_bytes)
    write(planned, target, advance=advance, verify=found.check)
    marked = planned.config.get(MARK)
    return Conversion(
        target=target,
        source_layout=planned.source.heads.layout,
        target_layout=planned.layout,
        format=planned.format,
        tensors=len(planned.turnings),
        num_bytes=planned.num_bytes,
        projections=found.projections,
        products=found.products,
        logits=found.logits,
        not_compared=found.reason,
        left_out=planned.left_out,
        note=None if marked is None else _note(planned),
    )


def _note(planned: Plan) -> str:
    usual = planned.source.heads.family.layout
    where = CONFIG[planned.format]
    if planned.format == "adapter":
        return f"{where} is marked {planned.layout}: for code that turns {planned.layout} pairs"
    return (
        f"{where} says model_type {planned.config['model_type']!r}, so that code which turns "
        f"{usual} pairs refuses it instead of computing nonsense"
    )


class _Verified:
    """Checks the folder before it gets its name, and keeps what was found."""

    def __init__(
        self, planned: Plan, *, verify: bool | None, reason: str | None, watch: Watch
    ) -> None:
        self._planned, self._must, self._watch = planned, verify, watch
        self.reason = reason
        self.logits: float | None = None
        self.projections, self.products = 0, 0.0

    def check(self, folder: Path) -> None:
        advance = begin(self._watch, "comparing", self._planned.num_bytes)
        self.projections, self.products = prove(self._planned, folder, advance)
        if self.reason is not None:
            return
        try:
            self.logits = compare_logits(self._planned, folder)
        except PhasorError:
            raise
        except _CANNOT_RUN as error:
            self.reason = f"transformers cannot run it: {str(error).strip().splitlines()[0]}"
            if self._must:
                raise ArgumentError(f"verify=True: {self.reason}") from None
