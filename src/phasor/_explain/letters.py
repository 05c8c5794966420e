"""What the letters of formulas stand for, where the formula does not say so itself."""

import re

_LETTERS = {
    "q k": "q and k query and key",
    "q": "q the query",
    "k": "k the key",
    "m n": "m and n the positions of query and key",
    "m": "m the position of the query",
    "n": "n the position of the key",
    "p": "p the pair",
    "h": "h the head",
    "ω": "ω radians for each token",
    "ω′": "ω′ those after scaling",
    "σ": "σ the logistic function",
    "d": "d the channels of a head",
    "L": "L the tokens of training",
}
_EMBEDDED = {"m": "m the position of the token", "d": "d the channels"}
_PLAIN = {"ₚ": "p", "ₕ": "h", "ₘ": "m", "ₙ": "n", "ₐ": "a", "ᵢ": "i", "ⱼ": "j", "ₖ": "k", "ₜ": "t"}
_SYMBOL = re.compile(rf"base′|ω′|[ω]|[A-Za-zℓα-ψΑ-Ψ_]+|[{''.join(_PLAIN)}]")


def symbols(formula: str) -> list[str]:
    """Letters and words of a formula, in order; of subscripts, the letters that they are."""
    return [_PLAIN.get(symbol, symbol) for symbol in _SYMBOL.findall(formula)]


def legend(formula: str, *, embedded: bool) -> str:
    """The letters of `formula` that it does not explain after its semicolon.

    Args:
        formula: Of an encoding or a scaling.
        embedded: Whether it is added to the embedding: there is no query then.
    """
    formula, _, explained = formula.partition(";")
    # A subscript explains nothing: that xₘ is an input does not say what m is.
    open_ones = {*symbols(formula)} - {*_SYMBOL.findall(explained)}
    letters = {**_LETTERS, **(_EMBEDDED if embedded else {})}
    told: dict[str, str] = {}
    for key, words in letters.items():
        if {*key.split()} <= open_ones - {*told}:
            told |= dict.fromkeys(key.split(), words)
    return ", ".join(dict.fromkeys(told.values()))
