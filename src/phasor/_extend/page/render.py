"""Fills the page."""

from dataclasses import replace

from phasor._extend.explain import TableExplanation, explanation_lines
from phasor._extend.findings import LOSS_TOLERANCE, PASSKEY_CHANCE, PASSKEY_SHARE
from phasor._extend.options import Options
from phasor._extend.page.figures import (
    EXCESS_SHOWN,
    colours,
    excess_by_position,
    loss_by_position,
    pair_speeds,
    passkeys,
    row_similarity,
    search_trials,
    training_loss,
)
from phasor._extend.result import Extension
from phasor._extend.verdict_table import holds_to
from phasor._kit.page import fill
from phasor._options import as_command


def render_page(extension: Extension) -> str:
    """One self-contained HTML page that shows `extension`."""
    verdict, explanation = extension.verdict, extension.explanation
    verdict = replace(verdict, sentence=as_command(verdict.sentence, Options))
    figures = {
        "change": row_similarity(explanation)
        if isinstance(explanation, TableExplanation)
        else pair_speeds(explanation)
    }
    colour = colours(list(extension.methods))
    if extension.searched:
        figures["search"] = search_trials(extension.searched, colour)
    if extension.training:
        figures["training"] = training_loss(extension.training)
    measured = any(finding.loss for finding in verdict.findings)
    if measured:
        figures["loss"] = loss_by_position(verdict, explanation.trained_length)
    if any(finding.excess for finding in verdict.findings):
        figures["excess"] = excess_by_position(verdict, explanation.trained_length)
    if any(finding.passkeys for finding in verdict.findings):
        figures["passkeys"] = passkeys(verdict)
    return fill(
        "extension.html.j2",
        figures,
        package="phasor._extend.page",
        extension=extension,
        verdict=verdict,
        explanation=explanation,
        lines=explanation_lines(explanation),
        holds_to=holds_to,
        colours=colour,
        table=isinstance(explanation, TableExplanation),
        tolerance=LOSS_TOLERANCE,
        cut=EXCESS_SHOWN,
        share=PASSKEY_SHARE,
        chance=PASSKEY_CHANCE,
        shown=list(figures),
    )
