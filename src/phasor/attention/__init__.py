"""Attention with any position encoding: masks, windows and documents, each way to compute it."""

from phasor.attention.api import attention as attention
from phasor.attention.choice import AttentionImpl as AttentionImpl
from phasor.attention.scores import attention_scores as attention_scores
from phasor.attention.scores import look as look
