"""What the letters of formulas stand for, where the formula does not say so itself."""

import re

_LETTERS = {
    "m": "m the position of the query",
    "n": "n that of the key",
    "p": "p the number of the pair",
    "ₚ": "p the number of the pair",
    "ₕ": "h the head",
    "q": "q the query",
    "k": "k the key",
    "d": "d the channels of a head",
    "ω": "ω the turn for each token in radians",
    "ω′": "ω′ the same after scaling",
    "base′": "base′ the new base",
    "L": "L the tokens of training",
}
_EMBEDDED = {"m": "m the position of the token", "d": "d the channels"}
SYMBOL = re.compile(r"base′|ω′|ω|[A-Za-zℓα-ψΑ-Ψ]+|[ₐₕᵢⱼₖₘₙₚₜ]")


def legend(formula: str, *, embedded: bool) -> str:
    """The letters of `formula` that it does not explain after its semicolon.

    Args:
        formula: Of an encoding or a scaling.
        embedded: Whether it is added to the embedding: there is no query then.
    """
    formula, _, explained = formula.partition(";")
    told = {*SYMBOL.findall(explained)}
    letters = {**_LETTERS, **(_EMBEDDED if embedded else {})}
    found = [letters.get(symbol) for symbol in SYMBOL.findall(formula) if symbol not in told]
    return ", ".join(dict.fromkeys(words for words in found if words))
