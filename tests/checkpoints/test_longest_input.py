"""The longest sequence that a spec states is the longest input that transformers takes."""

import inspect
from dataclasses import replace
from typing import Any

import pytest
import torch
from checkpoints.tiny import BATCH, SEQ, subjects
from torch import nn

import phasor
from phasor._read import examine
from phasor._read.architectures import architectures

_FILES = ("subjects_others.json", "subjects_without_rotation.json")
_WITHOUT_LIMIT = {"TapasConfig"}
"""Tapas counts the tokens of each cell of a table anew, and stops at the last row."""


def test_one_token_more_than_the_longest_sequence_fails() -> None:
    wrong, tried, padded = {}, 0, set()
    for subject in (each for file in _FILES for each in subjects(file).values()):
        row = architectures().get(subject.config_class.model_type)
        how = None if row is None or subject.row is not None else row.embedding
        if how is None or how.kind != "learned" or subject.name in _WITHOUT_LIMIT:
            continue
        if how.after_padding:
            padded.add(subject.name)
            config = {**subject.config, "pad_token_id": 3}
            subject = replace(subject, config=config)
        config, model = subject.build()
        spec = examine(config).spec
        longest = spec.max_seq_len
        if longest is None or spec.embedding is None:  # the patches of an image; no table
            continue
        tried += 1
        inputs = subject.some_inputs()
        fit = [_runs(model, _stretched(inputs, longest + more)) for more in (0, 1)]
        if fit != [True, False] or (subject.name in padded and longest != 256 - 3 - 1):
            wrong[subject.name] = (longest, fit)
    assert wrong == {}
    assert (tried, len(padded)) == (71, 13)


@pytest.mark.parametrize("pad_token_id", [0, 1, 3])
def test_esm_with_a_table(pad_token_id: int) -> None:
    from transformers import EsmConfig, EsmModel

    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = EsmConfig(
        vocab_size=40,
        intermediate_size=32,
        mask_token_id=39,
        pad_token_id=pad_token_id,
        max_position_embeddings=20,
        position_embedding_type="absolute",
        **sizes,
    )
    longest = phasor.read(config).max_seq_len
    assert longest == 20 - pad_token_id - 1
    model = EsmModel(config).eval()
    assert _runs(model, {"input_ids": torch.full((1, longest), 7)})
    assert not _runs(model, {"input_ids": torch.full((1, longest + 1), 7)})


def test_roberta_as_published_takes_512_tokens() -> None:
    """512 by its paper, arXiv:1907.11692; its config says 514."""
    config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert phasor.read(config).max_seq_len == 512
    assert phasor.read({**config, "pad_token_id": 3}).max_seq_len == 510


def test_led_states_the_lengths_of_both_of_its_tables() -> None:
    lengths = {"max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 24}
    spec = phasor.read({"model_type": "led", **lengths})
    assert (spec.max_seq_len, spec.tower("encoder").max_seq_len) == (24, 64)


def _stretched(inputs: dict[str, Any], length: int) -> dict[str, Any]:
    """One sequence of so many tokens, none of which pads."""
    return {
        name: torch.full((1, length, *value.shape[2:]), 7)
        if value.shape[:2] == (BATCH, SEQ) and not value.is_floating_point()
        else value[:1]
        for name, value in inputs.items()
    }


def _runs(model: nn.Module, inputs: dict[str, Any]) -> bool:
    if "use_cache" in inspect.signature(model.forward).parameters:
        inputs = {**inputs, "use_cache": False}
    try:
        with torch.no_grad():
            model(**inputs)
    except (IndexError, RuntimeError, ValueError):  # past the table, or not like other tables
        return False
    return True
