"""Learned tables: what is measured and written where a longer one is interpolated."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from extension.tiny_table import chain, clock, drawn, gpt2_config, save, texts, trained_gpt2
from safetensors.torch import load_file, save_file
from torch.nn.functional import cosine_similarity, cross_entropy
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BartConfig, GPT2LMHeadModel
from typer.testing import CliRunner

import phasor
from phasor._extend.plan import Plan
from phasor._extend.result import Extension
from phasor._extend.source import load
from phasor._extend.table import table_candidates
from phasor._extend.write import appearing, write_checkpoint
from phasor.cli import app
from phasor.errors import ArgumentError

TRAINED, TARGET = 64, 256
PLACES = {
    "gpt2": ("transformer.wpe.weight", 0, "n_positions", 0),
    "gpt_neo": ("transformer.wpe.weight", 0, "max_position_embeddings", 0),
    "opt": ("model.decoder.embed_positions.weight", 2, "max_position_embeddings", 0),
    "bert": ("embeddings.position_embeddings.weight", 0, "max_position_embeddings", 0),
    "roberta": ("embeddings.position_embeddings.weight", 2, "max_position_embeddings", 2),
}


def interpolated(rows: torch.Tensor, number: int) -> np.ndarray:
    """By hand: row m of n' lies at the middle of its cell, (m + 1/2) n / n' - 1/2."""
    places = (np.arange(number) + 0.5) * len(rows) / number - 0.5
    table = rows.double().numpy()
    columns = [np.interp(places, np.arange(len(rows)), column) for column in table.T]
    return np.stack(columns, axis=1)


def loss(path: Path, text: str, length: int) -> float:
    """Of the first `length` predictions, by stock transformers in one pass."""
    model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    tokens = torch.tensor(AutoTokenizer.from_pretrained(path).encode(text[: length + 1]))
    with torch.no_grad():
        logits = model(tokens[None, :-1]).logits[0]
    return cross_entropy(logits, tokens[1:]).item()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    save(trained_gpt2(chain, 60), folder / "model")
    texts(chain, folder / "text", 600)
    return folder


@pytest.fixture(scope="module")
def extended(folder: Path) -> Extension:
    return phasor.extend(
        folder / "model", to=TARGET, text=folder / "text", documents=3, out=folder / "longer"
    )


class TestWherePlaceSaysNothing:
    def test_it_holds_to_the_target(self, extended: Extension) -> None:
        none, longer = extended.verdict.findings
        assert (none.effective, longer.effective) == (TRAINED, TARGET)
        assert extended.verdict.best == extended.verdict.written == "interpolate"
        assert extended.verdict.sentence.startswith("Take interpolate: it loses least, ")
        assert extended.verdict.sentence.endswith("; as it is, the model ends at 64.")
        assert longer.regression is not None
        assert abs(longer.regression.mean) < 0.1
        assert max(longer.loss) < 1.2  # of log(8) = 2.08 for letters at random

    def test_the_model_as_it_is_is_never_run_past_its_table(
        self, folder: Path, extended: Extension
    ) -> None:
        lines = (folder / "longer" / "measurements.jsonl").read_text().splitlines()
        measured = [json.loads(line) for line in lines]
        none = [m for m in measured if (m["candidate"], m["kind"]) == ("none", "loss")]
        assert max(m["length"] for m in none) <= TRAINED
        assert len(extended.verdict.findings[0].loss) == 4
        model: Any = AutoModelForCausalLM.from_pretrained(folder / "model")
        with pytest.raises(IndexError):
            model(torch.zeros(1, TRAINED + 1, dtype=torch.long))
        assert "the model as it is cannot read at all" in " ".join(
            (folder / "longer" / "report.html").read_text().split()
        )

    def test_stock_transformers_reads_and_generates_to_the_target(
        self, folder: Path, extended: Extension
    ) -> None:
        text = (folder / "text" / "0.txt").read_text()
        assert loss(folder / "longer", text, TARGET) < 1.2
        model: Any = AutoModelForCausalLM.from_pretrained(folder / "longer")
        tokenizer = AutoTokenizer.from_pretrained(folder / "longer")
        prompt = tokenizer(text[: TARGET - 8], return_tensors="pt").input_ids
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, do_sample=False,
            pad_token_id=0,
        )  # fmt: skip
        after = tokenizer.decode(made[0, -8:])
        follows = [chr((ord(a) - 97 + 1) % 8 + 97) for a in text[TARGET - 9] + after]
        assert sum(a == b for a, b in zip(follows, after, strict=False)) >= 7
        assert extended.fields["n_positions"].startswith("the longest sequence")


def test_where_place_says_all_its_cost_is_told_and_it_is_a_start_for_training(
    tmp_path: Path,
) -> None:
    save(trained_gpt2(clock, 60), tmp_path / "model")
    texts(clock, tmp_path / "text", 150)
    done = CliRunner().invoke(
        app,
        ["extend", str(tmp_path / "model"), "--to", "128", "--text", str(tmp_path / "text"),
         "--out", str(tmp_path / "longer"), "--device", "cpu", "--documents", "3", "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    verdict = json.loads(done.stdout)["verdict"]
    assert (verdict["best"], verdict["written"]) == (None, "interpolate")
    assert verdict["sentence"].startswith(
        "Nothing holds past 64 tokens, where the model as it is ends: interpolate reads to 128 but "
        "costs +"
    )
    assert verdict["sentence"].endswith("It is a start for training, and no model to use as it is.")
    none, longer = verdict["findings"]
    assert longer["regression"]["low"] > 0.5
    assert none["effective"] == 64
    # The same from stock transformers, with and without the longer table.
    measured = (tmp_path / "longer" / "measurements.jsonl").read_text().splitlines()
    whole = {
        (m["kind"], m["document"]): m["values"][:8]
        for m in map(json.loads, measured)
        if m["kind"] == "cropped" or (m["candidate"] == "interpolate" and m["length"] == 128)
    }
    first = sorted((tmp_path / "text").iterdir())
    losses = [
        [loss(tmp_path / name, file.read_text(), 64) for file in first]
        for name in ("model", "longer")
    ]
    for kind, wanted in zip(("cropped", "loss"), losses, strict=True):
        found = [sum(whole[kind, at]) / 8 for at in range(3)]
        assert all(min(abs(value - one) for one in wanted) < 1e-4 for value in found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_written(tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    """The table by hand, rows that are no positions kept, all else byte for byte."""
    torch.manual_seed(3)
    save(drawn(kind).to(dtype), tmp_path / "model")
    given = load(tmp_path / "model", target_length=TARGET)
    assert given.trained_length == TRAINED
    _, candidate = table_candidates(["auto"], given)
    with appearing(tmp_path / "out") as draft:
        fields = write_checkpoint(given, candidate, draft)
    place, offset, name, more = PLACES[kind]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config.pop(name) == TARGET + more
    before_config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert before_config.pop(name) == TRAINED + more
    assert config == before_config
    assert set(fields) == {name, "tokenizer_class"}
    before = load_file(tmp_path / "model" / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert set(after) == set(before)
    for each, weight in before.items():
        assert after[each].dtype == dtype
        if each != place:
            assert torch.equal(after[each], weight)
    assert torch.equal(after[place][:offset], before[place][:offset])
    wanted = interpolated(before[place][offset:], TARGET)
    error = np.abs(after[place][offset:].double().numpy() - wanted).max()
    assert error < (1e-6 if dtype == torch.float32 else 4e-3)
    # It runs at the target, and its first position is that of before.
    auto = AutoModelForCausalLM if given.causal else AutoModel
    model: Any = auto.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    with torch.no_grad():
        output = model(torch.randint(2, 256, (1, TARGET)))
    assert output[0].isfinite().all()


def test_shards_and_what_old_checkpoints_hold(tmp_path: Path) -> None:
    """Masks and numbers of positions of the old length are left out, names may lack a prefix."""
    save(drawn("gpt2"), tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights = {name.removeprefix("transformer."): value for name, value in weights.items()}
    weights["h.0.attn.bias"] = torch.ones(1, 1, TRAINED, TRAINED).tril()
    names = sorted(weights)
    (tmp_path / "model" / "model.safetensors").unlink()
    where = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"model-0000{number + 1}-of-00002.safetensors"
        save_file(
            {n: weights[n].clone() for n in part}, tmp_path / "model" / file, {"format": "pt"}
        )
        where |= dict.fromkeys(part, file)
    size = sum(value.nbytes for value in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": where}
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    given = load(tmp_path / "model", target_length=128)
    _, candidate = table_candidates(["auto"], given)
    with appearing(tmp_path / "out") as draft:
        write_checkpoint(given, candidate, draft)
    after = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert set(after["weight_map"]) == set(where) - {"h.0.attn.bias"}
    assert after["metadata"]["total_size"] == size + 64 * 32 * 4 - 64 * 64 * 4
    for name, file in after["weight_map"].items():
        written = load_file(tmp_path / "out" / file)[name]
        assert (
            written.shape == (128, 32)
            if name == "wpe.weight"
            else torch.equal(written, weights[name])
        )


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_vectors_of_texts(tmp_path: Path, kind: str) -> None:
    """Cosines against those of stock transformers; nothing is said of loss but that it is not."""
    save(drawn(kind), tmp_path / "model")
    folder = texts(chain, tmp_path / "text", 300)
    found = phasor.extend(
        tmp_path / "model", to=128, text=folder, documents=2, out=tmp_path / "out"
    )
    before: Any = AutoModel.from_pretrained(tmp_path / "model").eval()
    after: Any = AutoModel.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    rows = {}
    for file in folder.iterdir():
        tokens = torch.tensor(
            [tokenizer.encode(file.read_text()[at : at + 129])[:128] for at in (0, 129)]
        )
        with torch.no_grad():
            for text in tokens:
                halves = [before(part[None])[0][0].mean(0) for part in text.split(64)]
                inside, whole = (after(part[None])[0][0].mean(0) for part in (text[:64], text))
                mean = (halves[0] + halves[1]) / 2
                rows[file.name, int(text[0])] = [
                    cosine_similarity(a, b, dim=0).item()
                    for a, b in ((halves[0], inside), (mean, whole), (mean, halves[0]))
                ]
    lines = (tmp_path / "out" / "measurements.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        near = min(rows.values(), key=lambda row: abs(row[0] - line["values"][0]))
        assert line["values"][:3] == pytest.approx(near, abs=1e-5)
    assert found.embeddings is not None
    assert found.embeddings.texts == len(lines) == 2
    assert found.embeddings.inside.mean == pytest.approx(
        sum(json.loads(line)["values"][0] for line in lines) / 2
    )
    assert found.verdict.written == "interpolate"
    assert "Loss was not measured, because it has no language-model head" in found.verdict.sentence
    html = (tmp_path / "out" / "report.html").read_text()
    assert f"{found.embeddings.whole.mean:.3f}" in html
    assert 'id="loss"' not in html


def test_what_a_table_does_not_have(tmp_path: Path) -> None:
    path = save(GPT2LMHeadModel(gpt2_config()), tmp_path / "model")
    with pytest.raises(ArgumentError, match="no method for a learned table 'yarn'"):
        phasor.extend(path, to=128, methods=["yarn"])
    with pytest.raises(ArgumentError, match="leave out search= and finetune="):
        phasor.extend(path, to=128, finetune=3)
    with pytest.raises(ArgumentError, match="to= must be more than the 64 tokens"):
        phasor.extend(path, to=64)


def test_several_parts_are_refused(tmp_path: Path) -> None:
    from transformers import BartForConditionalGeneration

    config = BartConfig(
        vocab_size=256, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    path = save(BartForConditionalGeneration(config), tmp_path / "model")
    with pytest.raises(ArgumentError, match="is a model of several parts, encoder among them"):
        phasor.extend(path, to=128)


def test_a_plan_leaves_out_what_cannot_be_read() -> None:
    plan = Plan(
        names=["none", "interpolate"], trained_length=64, target_length=256, documents=2,
        passkey_lengths=(32, 64, 160, 256), passkey_trials=1, ends=True,
    )  # fmt: skip
    tasks = plan.next([])
    none = [task for task in tasks if task.candidate == "none" and task.kind != "cropped"]
    assert {task.length for task in none} == {8, 32, 64}
    assert {t.length for t in tasks if t.candidate == "interpolate"} == {8, 32, 64, 160, 256}
