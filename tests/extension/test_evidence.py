"""What is measured of each candidate, against the model of transformers with its config."""

from pathlib import Path
from typing import Any

import pytest
import torch
from extension.tiny_model import save, tiny_config
from transformers import LlamaForCausalLM

from phasor._extend.documents import Documents
from phasor._extend.evidence import edges, gather
from phasor._extend.methods import Candidate, candidates
from phasor._extend.plan import Plan
from phasor._extend.source import Subject, load
from phasor._extend.store import open_store
from phasor.errors import ArgumentError
from phasor.measure import cropped_losses, in_bins, token_losses

TRAINED, TARGET = 64, 256


def measure(subject: Subject, found: list[Candidate], document: Any, folder: Path) -> Any:
    """All losses of one document, by kind, candidate and length."""
    plan = Plan(
        names=[candidate.name for candidate in found], trained_length=TRAINED,
        target_length=TARGET, documents=1, passkey_lengths=(), passkey_trials=0,
    )  # fmt: skip
    documents = Documents("random", "0", (document,), ())
    with open_store(folder, {}, resume=False) as store:
        assert gather(subject, found, documents, plan, store, lambda event: None, budget=None)
        return {(m.kind, m.candidate, m.length): m.values for m in store.measurements}


@pytest.fixture
def document() -> torch.Tensor:
    return torch.randint(256, (TARGET + 1,))


def subject(folder: Path, kind: str = "default") -> Subject:
    parameters: dict[str, Any] = {"rope_type": kind, "rope_theta": 1e4}
    if kind != "default":
        parameters["factor"] = 2.0
    config = tiny_config(initializer_range=0.3, rope_parameters=parameters)
    return load(save(LlamaForCausalLM(config), folder), target_length=TARGET)


def test_each_is_the_model_with_that_config(tmp_path: Path, document: torch.Tensor) -> None:
    given = subject(tmp_path / "model")
    found = candidates(["linear", "ntk", "yarn", "llama3"], given.situation)
    values = measure(given, found, document, tmp_path / "out")
    for candidate in found:
        config = tiny_config(
            rope_parameters=dict(candidate.rope_parameters),
            max_position_embeddings=candidate.max_seq_len,
        )
        model: Any = LlamaForCausalLM(config).eval()
        model.load_state_dict(given.model.state_dict())
        for length in (TRAINED // 8, TARGET):
            wanted = in_bins(token_losses(model, document[: length + 1]), edges(length, TRAINED))
            assert values["loss", candidate.name, length] == pytest.approx(wanted.nats, abs=1e-4)
    whole = values["loss", "none", TARGET]
    assert values["cropped", "none", TARGET][:4] == pytest.approx(whole[:4], abs=1e-4)
    assert max(abs(values["loss", "yarn", TARGET][at] - whole[at]) for at in range(16)) > 1e-2


def test_the_reference_of_a_dynamic_model_sees_windows_alone(
    tmp_path: Path, document: torch.Tensor
) -> None:
    """Its windows are no longer than its training, so its base does not grow in them."""
    given = subject(tmp_path / "model", "dynamic")
    (none,) = candidates([], given.situation)
    values = measure(given, [none], document, tmp_path / "out")
    plain: Any = LlamaForCausalLM(tiny_config()).eval()
    plain.load_state_dict(given.model.state_dict())
    bins = edges(TARGET, TRAINED)
    wanted = in_bins(cropped_losses(plain, document, TRAINED), bins).nats
    assert values["cropped", "none", TARGET] == pytest.approx(wanted, abs=1e-4)
    # Whereas the whole document has the base of its length.
    stretched = in_bins(token_losses(plain, document), bins).nats
    assert values["loss", "none", TARGET] != pytest.approx(stretched, abs=1e-2)


def test_losses_that_are_no_numbers_end_in_a_sentence(
    tmp_path: Path, document: torch.Tensor
) -> None:
    given = subject(tmp_path / "model")
    with torch.no_grad():
        given.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(ArgumentError, match="not finite numbers with none at 8 tokens"):
        measure(given, candidates([], given.situation), document, tmp_path / "out")
