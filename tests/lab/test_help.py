"""The help of the comparison says what there is and what it does by default."""

from lab.test_command import phasor

from phasor._compare.tasks import TASKS


def test_help_teaches() -> None:
    text = phasor("compare", "--help").stdout
    for word in ("What to compare", "Size and budget", "Where and how", "Example: phasor compare"):
        assert word in text
    for default in ("0.003", "none,sinusoidal,learned,rotary,alibi"):
        assert default in text
    for name, task in TASKS.items():
        line = next(line for line in text.splitlines() if line.startswith(f" {name} "))
        recipe = task.recipe
        assert task.summary in line
        assert f"({recipe.train_length} to " in line
        assert f"{task.length_unit}, {recipe.steps} x {recipe.batch_size})" in line
