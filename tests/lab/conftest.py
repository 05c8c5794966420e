"""Small text and small budgets, so that the lab's tests take seconds."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from phasor._compare.config import TrialConfig
from phasor._kit.text import Text, load_text


@pytest.fixture(scope="session")
def folder_of_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty files of a few hundred bytes, some held out."""
    folder = tmp_path_factory.mktemp("text")
    for number in range(40):
        words = [f"line {number * line % 17} of file {number}\n" for line in range(40)]
        (folder / f"file{number}.txt").write_text("".join(words))
    return folder


@pytest.fixture(scope="session")
def text(folder_of_text: Path) -> Text:
    return load_text(folder_of_text)


@dataclass
class Budget:
    """Arguments of the command that make it fast."""

    arguments: tuple[str, ...]


@pytest.fixture
def config() -> TrialConfig:
    return TrialConfig(
        task="lm", train_length=16, eval_lengths=(16, 32), steps=40, batch_size=4, width=16,
        layers=1, heads=2,
    )  # fmt: skip
