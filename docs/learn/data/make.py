"""Make the data of Learn's pictures anew, write it into the pages and say what moved.

python docs/learn/data/make.py [NAME ...] [--compared FOLDER]

Without names all pictures are made. Those that need trained models come from `phasor compare`,
some ten minutes on two cores; its results are kept in FOLDER (runs/learn) and taken from there.
"""

import argparse
import importlib
from pathlib import Path

import compared
from pages import disagreement, pages, quotes, with_pictures
from picture import FOLDER, read, values_of, write

NAMES = (
    "swap",
    "layers",
    "probe",
    "adding",
    "shift",
    "table",
    "together",
    "distance",
    "slopes",
    "trained_biases",
    "bias_length",
    "length",
    "stretched",
    "angles",
    "padding",
)
_NOISE = 1e-4


def moved(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """One line for each number that is new, gone or not what it was."""
    lines = [f"{key}: gone, was {before[key]:.4g}" for key in before if key not in after]
    for key, value in after.items():
        if key not in before:
            lines.append(f"{key}: new, {value:.4g}")
        elif abs(value - before[key]) > _NOISE * max(abs(value), abs(before[key])):
            lines.append(f"{key}: {before[key]:.4g} -> {value:.4g}")
    return lines


def main() -> None:
    """Of the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--compared", type=Path, default=compared.folder, metavar="FOLDER")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no picture is called {sorted(unknown)[0]!r}; there are {', '.join(NAMES)}")
    compared.folder = arguments.compared
    for name in arguments.names or NAMES:
        found = importlib.import_module(name).make()
        before = values_of(read(name)) if (FOLDER / f"{name}.json").exists() else {}
        write(name, found)
        lines = moved(before, values_of(found))
        print(f"{name}: {len(lines)} numbers moved" if lines else f"{name}: as it was")
        print(*(f"  {line}" for line in lines), sep="\n", end="\n" if lines else "")
    for page in pages():
        page.write_text(with_pictures(page.read_text()))
        for quote in quotes(page):
            if wrong := disagreement(quote):
                print(wrong)


if __name__ == "__main__":
    main()
