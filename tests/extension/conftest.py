"""A model that is trained once for all tests of this folder that need one."""

from pathlib import Path

import pytest
import torch
from extension.tiny_model import save, trained

import phasor._extend.run as run


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets models of random weights be extended, which read no text better than a guess."""
    monkeypatch.setattr(run, "check_better_than_a_guess", lambda *_: None)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of transformers: a rotary model of 64 tokens, trained for a few seconds."""
    torch.set_num_threads(1)
    return save(trained(steps=300), tmp_path_factory.mktemp("tiny") / "model")
