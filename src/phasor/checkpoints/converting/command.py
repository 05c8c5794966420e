"""`phasor convert` without its options: converts, verifies, and says what it did."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from phasor.checkpoints.converting.convert import Plan, plan, write
from phasor.checkpoints.converting.families import PairLayout
from phasor.checkpoints.converting.heads import MARK
from phasor.checkpoints.converting.logits import compare_logits, why_not
from phasor.checkpoints.converting.proof import prove
from phasor.checkpoints.converting.screen import Screen
from phasor.checkpoints.converting.source import CONFIG, read_source
from phasor.errors import ArgumentError, PhasorError

# What libraries raise where a model cannot be run after all.
_CANNOT_RUN = (ImportError, OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Done:
    """What was converted, and how it was verified.

    Args:
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

    def lines(self, target: Path) -> list[str]:
        """For people."""
        lines = [
            f"{target}: {self.source_layout} to {self.target_layout}, {self.tensors} tensors "
            f"changed, {self.num_bytes:,} bytes"
        ]
        if self.projections:
            lines.append(
                f"verified: products of all heads of {self.projections} projections agree to "
                f"{self.products:.0e} of the largest"
            )
        else:
            lines.append("products of heads were not compared: none of the projections allows it")
        if self.logits is not None:
            lines.append(f"verified: logits agree to {self.logits:.0e} of the largest")
        if self.not_compared is not None:
            lines.append(f"logits were not compared: {self.not_compared}")
        if self.left_out:
            lines.append(f"not taken along: {', '.join(self.left_out)}")
        if self.note is not None:
            lines.append(self.note)
        return lines


def convert_checkpoint(
    source: Path,
    target: Path,
    *,
    layout: PairLayout | None,
    to: Literal["hf", "meta"] | None,
    base: Path | None,
    verify: bool | None,
    screen: Screen,
) -> Done:
    """Convert `source` to the new folder `target`.

    Args:
        source: Folder of the checkpoint, which is left alone.
        target: Folder to make.
        layout: Layout wanted.
        to: Or format wanted.
        base: For an adapter, the folder of its model.
        verify: Compare logits: always, never, or where the model can be run (`None`).
        screen: Told how far it is.
    """
    planned = plan(read_source(source, base=base), layout=layout, to=to)
    reason = "--no-verify" if verify is False else why_not(planned)
    if verify and reason is not None:
        raise ArgumentError(f"--verify: the model cannot be run here: {reason}")
    found = _Verified(planned, verify=verify, reason=reason, screen=screen)
    screen.begin("writing", planned.num_bytes)
    write(planned, target, advance=screen.advance, verify=found.check)
    marked = planned.config.get(MARK)
    return Done(
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
        self, planned: Plan, *, verify: bool | None, reason: str | None, screen: Screen
    ) -> None:
        self._planned, self._must, self._screen = planned, verify, screen
        self.reason = reason
        self.logits: float | None = None
        self.projections, self.products = 0, 0.0

    def check(self, folder: Path) -> None:
        self._screen.begin("comparing", self._planned.num_bytes)
        self.projections, self.products = prove(self._planned, folder, self._screen.advance)
        if self.reason is not None:
            return
        try:
            self.logits = compare_logits(self._planned, folder)
        except PhasorError:
            raise
        except _CANNOT_RUN as error:
            self.reason = f"transformers cannot run it: {str(error).strip().splitlines()[0]}"
            if self._must:
                raise ArgumentError(f"--verify: {self.reason}") from None
