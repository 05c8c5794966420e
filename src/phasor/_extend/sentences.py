"""An explanation in sentences."""

from phasor._extend.explain import Explanation, TableExplanation


def explanation_lines(explanation: Explanation | TableExplanation) -> list[str]:
    """What the frequencies or the table say before anything is run, a sentence each."""
    trained, target = explanation.trained_length, explanation.target_length
    lines = [f"From {trained:,} to {target:,} tokens, by a factor of {target / trained:g}."]
    if isinstance(explanation, TableExplanation):
        return [*lines, *_table_lines(explanation)]
    missing, pairs = len(explanation.incomplete), len(explanation.wavelengths)
    if missing:
        lines.append(
            f"{missing} of {pairs} pairs never complete a turn in {trained:,} tokens, from pair "
            f"{explanation.incomplete[0]} on: past it they take angles that no training has seen."
        )
    else:
        lines.append(f"All {pairs} pairs complete a turn in {trained:,} tokens.")
    if explanation.base is not None:
        needed = explanation.base_needed
        take = f"{target:,} take {needed:,.0f}" if needed else f"no base carries {target:,}"
        lines.append(
            f"By the bound on the base, {explanation.base:,.0f} carries "
            f"{explanation.base_context:,} tokens, and {take}; trained models often "
            "exceed it."
        )
    return lines


def _table_lines(explanation: TableExplanation) -> list[str]:
    neighbours = {name: values[1] for name, values in explanation.similarity.items()}
    lines = [
        f"Its table has a vector for each of {explanation.trained_length:,} positions and ends "
        "there: past it the model as it is cannot read at all."
    ]
    if "interpolate" in neighbours:
        lines.append(
            "Interpolated, tokens lie closer than in any training: the vectors of neighbours have "
            f"a mean cosine of {neighbours['none']:.4f} before and "
            f"{neighbours['interpolate']:.4f} after."
        )
    return lines
