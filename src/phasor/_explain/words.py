"""Words that explanations use, each explained once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """What a word means, a line of mathematics if that says it, and the chapter with more."""

    meaning: str
    chapter: str
    formula: str | None = None


WORDS = {
    "position": Word(
        "The number of a token in its sequence, counted from 0. Attention alone does not see it: "
        "shuffle the tokens and the outputs shuffle along. An encoding lets it in. In phasor "
        "positions are an argument: padding, packing and caches are nothing but other positions.",
        "01-order",
    ),
    "site": Word(
        "The place where position enters a Transformer. There are four: added to the embedding "
        "(sinusoidal, learned), in query and key, which turn (rotary), in the score, which gets a "
        "bias (alibi, t5), and in the value, which a few models turn as well.",
        "02-numbers",
    ),
    "distance": Word(
        "How many tokens a key is before its query. An encoding is relative if scores depend on "
        "this alone and not on where the two are.",
        "05-rotation",
        "distance = m − n",
    ),
    "pair": Word(
        "Two channels of a head that a rotary encoding turns together, by one angle. Each pair has "
        "a frequency of its own, so a head is a clock with many hands.",
        "05-rotation",
        "(x, y) ← (x cos α − y sin α,  x sin α + y cos α);  x and y a pair, α = m ωₚ",
    ),
    "layout": Word(
        "Which channels form a pair: i with i + d/2 (half: LLaMA in transformers) or 2i with "
        "2i + 1 (interleaved: the paper, GPT-J). Weights trained with one do not work with the "
        "other; phasor convert rewrites them.",
        "05-rotation",
    ),
    "frequency": Word(
        "How far a pair turns for each token, in radians. Its inverse times 2π is the wavelength: "
        "the tokens that one turn takes. Short ones tell neighbours apart, long ones far tokens.",
        "06-clock",
        "ωₚ = base^(−2p/d),  wavelength = 2π / ωₚ",
    ),
    "base": Word(
        "The number that sets how slow the slowest pair turns: 10,000 in the paper, 500,000 in "
        "Llama 3. Configs of transformers call it rope_theta. A larger base makes long wavelengths "
        "longer and leaves the fastest pair as it is.",
        "06-clock",
        "ωₚ = base^(−2p/d)",
    ),
    "scaling": Word(
        "A change of the frequencies of a rotary encoding, so that a model trained on short "
        "sequences can read longer ones. Slower pairs stay within the angles that training had.",
        "09-stretching",
    ),
}
"""By what is asked for."""
