"""What published models do, written down: one function each, compared with transformers."""

from collections.abc import Callable

from spec.golden.bias import bloom, falcon, falcon_rw, mpt, t5
from spec.golden.bidirectional import attention_is_all_you_need, bert, modernbert
from spec.golden.deepseek import deepseek_v2, deepseek_v3, deepseek_v3_2
from spec.golden.gemma import gemma_1, gemma_2, gemma_3, gemma_4
from spec.golden.gpt import gpt_2, gpt_3, gpt_j, gpt_neox, gpt_oss
from spec.golden.llama import (
    llama_1,
    llama_2,
    llama_3_1,
    llama_4_maverick,
    llama_4_scout,
    ministral_3,
    mistral,
    smollm_3,
)
from spec.golden.phi import phi_3, phi_3_128k
from spec.golden.qwen import (
    qwen_2,
    qwen_2_5,
    qwen_2_5_yarn,
    qwen_2_vl,
    qwen_3,
    qwen_3_vl,
)
from spec.golden.relative import deberta_v3, w2v_bert_2, xlnet
from spec.golden.uneven import vjepa_2

from phasor.spec.position_spec import PositionSpec

GOLDEN: dict[str, Callable[[], PositionSpec]] = {
    "attention-is-all-you-need": attention_is_all_you_need,
    "bert-base": bert,
    "bloom-176b": bloom,
    "deberta-v3-base": deberta_v3,
    "deepseek-v2": deepseek_v2,
    "deepseek-v3": deepseek_v3,
    "deepseek-v3.2": deepseek_v3_2,
    "falcon-7b": falcon,
    "falcon-rw-1b": falcon_rw,
    "gemma-7b": gemma_1,
    "gemma-2-9b": gemma_2,
    "gemma-3-4b": gemma_3,
    "gemma-4-31b": gemma_4,
    "gpt-2": gpt_2,
    "gpt-3-175b": gpt_3,
    "gpt-j-6b": gpt_j,
    "gpt-neox-20b": gpt_neox,
    "gpt-oss-20b": gpt_oss,
    "llama-7b": llama_1,
    "llama-2-7b": llama_2,
    "llama-3.1-8b": llama_3_1,
    "llama-4-maverick": llama_4_maverick,
    "llama-4-scout": llama_4_scout,
    "ministral-3-8b": ministral_3,
    "mistral-7b-v0.1": mistral,
    "modernbert-base": modernbert,
    "mpt-7b": mpt,
    "phi-3-mini-128k": phi_3_128k,
    "phi-3-mini-4k": phi_3,
    "qwen2-7b": qwen_2,
    "qwen2.5-7b": qwen_2_5,
    "qwen2.5-7b-yarn": qwen_2_5_yarn,
    "qwen2-vl-7b": qwen_2_vl,
    "qwen3-8b": qwen_3,
    "qwen3-vl-4b": qwen_3_vl,
    "smollm3-3b": smollm_3,
    "t5-base": t5,
    "vjepa2-vit-l": vjepa_2,
    "w2v-bert-2.0": w2v_bert_2,
    "xlnet-large": xlnet,
}
"""Each spec by a short name; call it to make it."""
