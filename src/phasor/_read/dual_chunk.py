"""Dual chunk attention, which some configs ask for and transformers does not have."""

from collections.abc import Mapping

from phasor._read.fields import MOST_TOKENS, Fields

DUAL_CHUNK = "dual_chunk_attention_config"


def read_trained_length(fields: Fields) -> int | None:
    """The length that a model was trained on where its config leaves what is past it to that.

    Qwen2.5-1M gives 1,010,000 tokens as its longest sequence and was trained on 262,144. Beyond,
    vLLM keeps distances within those of training; transformers goes on with distances that the
    model never met. Source: arXiv:2402.17463, and vLLM's `DualChunkRotaryEmbedding`.
    """
    given = fields.get(DUAL_CHUNK)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise fields.wrong(DUAL_CHUNK, "an object", given)
    inside = Fields(given, fields.notes)
    trained = inside.whole_or("original_max_position_embeddings", None, most=MOST_TOKENS)
    past = "" if trained is None else f", past the {trained:,} tokens of its training too"
    fields.notes.note(
        f"{DUAL_CHUNK} is ignored: transformers rotates by whole distances{past}, as the spec "
        "says; vLLM computes dual chunk attention"
    )
    return trained
