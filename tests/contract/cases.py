"""Every encoding that the contract holds for: all that the command knows, and variants."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import phasor
from phasor.encoding import ScoreMod
from phasor.encodings.catalogue import CATALOGUE
from phasor.encodings.spelling import parse_spelling
from phasor_pytest.layer import DIM, HEAD_DIM, HEADS, KV_HEADS, LONGEST, SHAPE
from phasor_pytest.layer import Layer as Layer
from phasor_pytest.layer import embeddings as embeddings


def _drawn(make: Callable[[], phasor.PositionEncoding]) -> phasor.PositionEncoding:
    """With the initial values that it has with seed 2, whatever ran before."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return make()


def _filled(bias: phasor.PositionEncoding, std: float = 1.0) -> phasor.PositionEncoding:
    """With numbers that show, where training starts at zero or near it."""
    generator = torch.Generator().manual_seed(2)
    for parameter in bias.parameters():
        torch.nn.init.normal_(parameter, std=std, generator=generator)
    return bias


class OnGrid(phasor.PositionEncoding):
    """Token n of a sequence is in row n // 8 and column n % 8, for encodings with two axes."""

    sites = frozenset({"embedding", "score"})
    score_is_bias = True
    looks_at = frozenset({"query_key"})
    paper = "of what it holds"

    def __init__(self, encoding: phasor.PositionEncoding) -> None:
        super().__init__()
        self.encoding = encoding
        self.looks_at = encoding.looks_at
        self.integer_positions = encoding.integer_positions
        self.sites = encoding.sites

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Any:
        if key_positions is not None:
            key_positions = self._unfold(key_positions)
        return self.encoding(self._unfold(positions), key_positions=key_positions, dtype=dtype)

    def look(self, prepared: Any, query: Tensor, key: Tensor, features: Any = None) -> Any:
        return self.encoding.look(prepared, query, key, features)

    def embed(self, x: Tensor, prepared: Any) -> Tensor:
        return self.encoding.embed(x, prepared)

    def score_mod(self, prepared: Any) -> ScoreMod | None:
        return self.encoding.score_mod(prepared)

    def _unfold(self, positions: Tensor) -> Tensor:
        if not isinstance(positions, Tensor):
            return positions
        whole = positions.long()
        return torch.stack((whole // 8, whole % 8), -1).to(positions.dtype)


# Six heads: not a power of two, and three to each key head.
CASES: dict[str, Callable[[], phasor.PositionEncoding]] = {
    "none": phasor.NoPE,
    "sinusoidal": lambda: phasor.Sinusoidal(DIM),
    "sinusoidal-half": lambda: phasor.Sinusoidal(DIM, layout="half", endpoint=True, rms=0.5),
    "sinusoidal-offset": lambda: phasor.Sinusoidal(DIM, layout="half", endpoint=True, offset=2),
    "sinusoidal-scaled": lambda: phasor.Sinusoidal(DIM, rms=0.5, learned_scale=True),
    "sinusoidal-2d": lambda: OnGrid(phasor.Sinusoidal(DIM, axes=2)),
    "learned": lambda: phasor.Learned(LONGEST, DIM, rms=0.5),
    "learned-offset": lambda: phasor.Learned(LONGEST, DIM, offset=2, rms=0.5),
    "rotary": lambda: phasor.Rotary(HEAD_DIM),
    "rotary-interleaved": lambda: phasor.Rotary(HEAD_DIM, layout="interleaved"),
    "rotary-partial": lambda: phasor.Rotary(HEAD_DIM, rotary_dim=4, base=100.0),
    "rotary-partial-interleaved": lambda: phasor.Rotary(
        HEAD_DIM, rotary_dim=4, layout="interleaved"
    ),
    "rotary-trailing": lambda: phasor.Rotary(HEAD_DIM, rotary_dim=4, rotary_slice="trailing"),
    "rotary-yarn": lambda: phasor.Rotary(
        HEAD_DIM,
        scaling=phasor.scaling.yarn(
            factor=40, original_seq_len=8, mscale=1.0, mscale_all_dim=0.5, scale_softmax=True
        ),
    ),
    "rotary-dynamic-ntk": lambda: phasor.Rotary(
        HEAD_DIM, scaling=phasor.scaling.dynamic_ntk(factor=2, original_seq_len=8)
    ).at(LONGEST),
    "rotary-proportional": lambda: phasor.Rotary(
        HEAD_DIM, frequencies=phasor.proportional(HEAD_DIM, 0.5)
    ),
    "rotary-float32": lambda: phasor.Rotary(HEAD_DIM, precision="float32"),
    "rotary-uneven": lambda: phasor.UnevenRotary(
        HEAD_DIM,
        frequencies=phasor.rotary.tiled(phasor.geometric(6, 100.0)),
        layout="interleaved",
    ),
    "xpos": lambda: phasor.XPos(HEAD_DIM),
    "xpos-half-centred": lambda: phasor.XPos(HEAD_DIM, layout="half", centre=30.5),
    "compose-logn": lambda: phasor.Compose(phasor.Rotary(HEAD_DIM), phasor.LogN(LONGEST // 8)),
    "compose-growing": lambda: phasor.Compose(
        phasor.Rotary(HEAD_DIM), _filled(phasor.SSMax(HEADS), std=0.3), phasor.ScoreTemperature(8)
    ),
    "fope": lambda: _drawn(lambda: phasor.FoPE(HEAD_DIM, num_heads=KV_HEADS, gain=1.0)),
    "liere": lambda: _drawn(
        lambda: phasor.LieRE(HEAD_DIM, num_heads=KV_HEADS, block_dim=4, num_positions=LONGEST)
    ),
    "string": lambda: phasor.STRING(HEAD_DIM, num_heads=KV_HEADS),
    "pope": lambda: _drawn(lambda: phasor.PoPE(HEAD_DIM, num_heads=KV_HEADS, random_phase=True)),
    "grape-m": lambda: _drawn(lambda: phasor.GRAPEM(HEAD_DIM, num_heads=KV_HEADS, base=4.0)),
    "alibi": lambda: phasor.ALiBi(HEADS),
    "t5": lambda: _filled(phasor.T5Bias(HEADS)),
    "t5-bidirectional": lambda: _filled(phasor.T5Bias(HEADS, bidirectional=True)),
    "kerple": lambda: _drawn(lambda: phasor.KERPLE(HEADS)),
    "kerple-power": lambda: _drawn(lambda: phasor.KERPLE(HEADS, kind="power")),
    # Beyond position 4.5 it is no function of distance alone.
    "fire": lambda: _drawn(lambda: phasor.FIRE(HEADS, mlp_width=8, threshold=4.5)),
    "fox": lambda: _drawn(lambda: phasor.FoX(DIM, HEADS)),
    "shaw": lambda: _filled(phasor.Shaw(HEAD_DIM, max_distance=12, max_ahead=3)),
    "transformer-xl": lambda: _filled(phasor.TransformerXL(4, HEAD_DIM, HEADS), std=0.5),
    "deberta": lambda: _filled(phasor.DeBERTa(4, HEAD_DIM, HEADS, max_distance=13)),
    "deberta-buckets": lambda: _filled(
        phasor.DeBERTa(4, HEAD_DIM, HEADS, max_distance=14, num_buckets=12)
    ),
    "relative-logits": lambda: _filled(
        phasor.RelativeLogits(DIM, HEADS, extent=12, rank=2), std=0.3
    ),
    "cope": lambda: _filled(phasor.CoPE(HEAD_DIM, num_counts=12)),
    "decomposed-2d": lambda: OnGrid(_filled(phasor.DecomposedBias(HEAD_DIM, window=(8, 8)))),
    "path": lambda: _filled(phasor.PaTH(DIM, HEAD_DIM, num_heads=KV_HEADS, rank=1)),
    "selective-rotary": lambda: _filled(
        phasor.SelectiveRotary(DIM, HEAD_DIM, num_heads=KV_HEADS, rank=1, base=100.0)
    ),
    "sandwich": lambda: phasor.Sandwich(HEADS, sinusoidal_dim=16),
    "relative-table": lambda: _filled(phasor.RelativeTable(HEADS, window=(LONGEST,))),
    "relative-table-2d": lambda: OnGrid(_filled(phasor.RelativeTable(HEADS, window=(8, 8)))),
    "log-cpb": lambda: _filled(phasor.LogCPB(HEADS, window=(LONGEST,), mlp_width=5)),
    "log-cpb-2d": lambda: OnGrid(_filled(phasor.LogCPB(HEADS, window=(8, 8), mlp_width=5))),
    "compose-temperature": lambda: phasor.Compose(
        phasor.Rotary(HEAD_DIM), phasor.QueryTemperature(LONGEST // 8)
    ),
    "compose": lambda: phasor.Compose(
        phasor.Sinusoidal(DIM), phasor.Rotary(HEAD_DIM), phasor.ALiBi(HEADS)
    ),
    "compose-fox": lambda: _drawn(
        lambda: phasor.Compose(phasor.Rotary(HEAD_DIM), phasor.FoX(DIM, HEADS))
    ),
    "compose-content": lambda: phasor.Compose(
        phasor.Rotary(HEAD_DIM),
        _filled(phasor.TransformerXL(4, HEAD_DIM, HEADS), std=0.5),
        _filled(phasor.CoPE(HEAD_DIM, num_counts=12), std=0.3),
    ),
    "compose-two-scores": lambda: phasor.Compose(phasor.ALiBi(HEADS), phasor.ALiBi(HEADS)),
}


_LISTED = {type(make()) for make in CASES.values()}
for _name, _encoding in CATALOGUE.items():
    if _encoding.compared and _encoding not in _LISTED:
        CASES[_name] = partial(_drawn, partial(parse_spelling(_name).turns[0].build, SHAPE))
