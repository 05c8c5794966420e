"""The comparison as a library."""

from pathlib import Path

from phasor._compare.compare import Comparison, compare
from phasor._compare.config import TrialConfig
from phasor._kit.text import Text


def test_the_training_length_alone(text: Text, tmp_path: Path) -> None:
    config = TrialConfig(
        task="lm", train_length=16, eval_lengths=(16,), steps=4, batch_size=4, width=16, layers=1
    )
    comparison = Comparison(
        encodings=["none", "alibi"], seeds=range(2), config=config, text=text, text_path=None,
        out=tmp_path, workers=1,
    )  # fmt: skip
    results = compare(comparison, lambda event: None)
    assert list(results.encodings["alibi"].loss) == ["16"]
    assert results.verdict.startswith("At the training length of 16: ")
    assert "past it" not in results.verdict
    assert (tmp_path / "report.html").exists()
