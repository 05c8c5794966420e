"""What the letters of formulas stand for, where the formula does not say so itself."""

import re

_LETTERS = {
    "q k": "q and k query and key",
    "m n": "m and n the positions of query and key",
    "m": "m the position of the query",
    "p": "p the pair",
    "h": "h the head",
    "ω": "ω radians for each token",
    "ω′": "ω′ those after scaling",
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
    open_ones = {*symbols(formula)} - {*symbols(explained)}
    letters = {**_LETTERS, **(_EMBEDDED if embedded else {})}
    found = [words for key, words in letters.items() if {*key.split()} <= open_ones]
    if letters["m n"] in found:
        found.remove(letters["m"])
    return ", ".join(found)
