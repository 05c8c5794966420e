"""Models that a row of the table cannot describe: one function for each way to be odd.

A function gets the config, under the names of its row, and the row; it returns the spec of that
stack. Most change the row or the config and leave the rest to `read_plain`, or change each layer
that this makes. The row names its function as `odd`.

Each says what is odd and where: a file in `transformers/models`, and the class or function in it.
"""

from collections.abc import Callable

from phasor._read._odd import bases, embeddings, rotations, scales, scores, which_turn
from phasor._read.architectures import Architecture
from phasor._read.fields import Fields
from phasor.spec import PositionSpec

ODD: dict[str, Callable[[Fields, Architecture], PositionSpec]] = {
    function.__name__: function
    for function in (
        bases.deepseek_v4,
        bases.dinov3,
        bases.esm,
        bases.granite_swa,
        bases.hunyuan,
        bases.molmo2,
        bases.phimoe,
        bases.wav2vec2,
        embeddings.autoformer,
        embeddings.informer,
        embeddings.musicgen,
        embeddings.pixio,
        embeddings.sam3,
        embeddings.trocr,
        embeddings.xlm,
        embeddings.yolos,
        rotations.clvp,
        rotations.deepseek_v3,
        rotations.gptj,
        rotations.hunyuan_vl,
        rotations.nanochat,
        rotations.neomme,
        rotations.roformer,
        rotations.vjepa2,
        scales.beam,
        scales.gemma2,
        scales.gemma3,
        scales.ministral3,
        scales.mistral4,
        scales.mistral_large4,
        scales.step3p5,
        scales.t5gemma2,
        scales.zamba2,
        scores.deberta,
        scores.falcon,
        scores.inkling,
        scores.mpt,
        scores.shaw,
        scores.transformer_xl,
        scores.umt5,
        which_turn.cohere2,
        which_turn.cohere2_moe,
        which_turn.exaone4,
        which_turn.llama4,
        which_turn.olmo_hybrid,
    )
}
"""The functions by the name that rows have for them."""
