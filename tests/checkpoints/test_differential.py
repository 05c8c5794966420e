"""A sample of the random configs, and that a scaling which is off by little would be found."""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from checkpoints.differential import DIFFERS, SAME, campaign, compared, report
from checkpoints.random_rope import draw_config
from checkpoints.tiny import subjects

from phasor.rotary.scaling import Llama3, YaRN

SAMPLE = [
    "DeepseekV3Config",
    "EsmConfig",
    "GPTNeoXConfig",
    "Gemma3TextConfig",
    "HunYuanDenseV1Config",
    "LlamaConfig",
    "PhimoeConfig",
    "Qwen2VLTextConfig",
]


@pytest.fixture(autouse=True)
def quietly() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(before)


def test_a_sample_is_read_as_transformers_runs_it() -> None:
    cases = campaign(SAMPLE, 0, 4)
    assert not any(each.failed for each in cases), report(cases)
    assert sum(each.outcome == SAME for each in cases) > len(cases) / 2


def test_seventy_model_types_are_drawn_for() -> None:
    assert len({each.config_class.model_type for each in compared().values()}) >= 70


def test_the_same_seed_draws_the_same() -> None:
    subject = subjects()["LlamaConfig"]
    assert draw_config(subject, 3) == draw_config(subject, 3) != draw_config(subject, 4)


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (Llama3, lambda right: replace(right, factor=right.factor * 1.001)),
        (YaRN, lambda right: replace(right, truncate=not right.truncate)),
    ],
)
def test_a_scaling_that_is_off_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: Any, broken: Any
) -> None:
    right = kind.from_hf
    monkeypatch.setattr(kind, "from_hf", lambda *args, **given: broken(right(*args, **given)))
    assert any(each.outcome == DIFFERS for each in campaign(["LlamaConfig"], 0, 25))
