"""Some layers out of all, in words."""


def which_layers(layers: list[int], total: int) -> str:
    """Those `layers` of `total`, by the rule they follow if they follow one."""
    if len(layers) == total:
        return "every layer" if total > 1 else "the layer"
    words = _regular(layers, total)
    if words is None:
        rest = _regular(sorted(set(range(total)) - set(layers)), total)
        words = None if rest is None else f"all layers but {rest}"
    return words or f"layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"


def _regular(layers: list[int], total: int) -> str | None:
    """Words for layers that follow a rule; `None` for others."""
    first, last = layers[0], layers[-1]
    if len(layers) == 1:
        return f"layer {first}"
    if len(layers) == 2:
        return f"layers {first} and {last}"
    step = layers[1] - first
    if layers != list(range(first, last + 1, step)):
        return None
    if step == 1:
        return f"layers {first} to {last}"
    end = "on" if last + step >= total else f"to {last}"
    return f"every {_ordinal(step)} layer from {first} {end}"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
