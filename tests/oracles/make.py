"""Writes the frozen numbers, or checks them against what is installed.

From the directory `tests`: `python -m oracles.make` writes, `python -m oracles.make --check` prints
what has changed. Nothing here imports phasor.
"""

import math
import sys
from collections.abc import Iterator

from oracles import axes, conformance, formulas, from_transformers
from oracles.subject import Subject, as_json

SUBJECTS: dict[str, Subject] = {
    subject.name: subject
    for module in (from_transformers, axes, formulas, conformance)
    for subject in module.SUBJECTS
}


def changes(subject: Subject) -> list[str]:
    """Where the frozen cases differ from new ones by more than rounding."""
    new = subject.make()["cases"]
    return list(differences(subject.frozen()["cases"], new, subject, f"{subject.name}: cases"))


def differences(old: object, new: object, subject: Subject, where: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for key in old:
            yield from differences(old[key], new[key], subject, f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list | tuple) and len(old) == len(new):
        for index, both in enumerate(zip(old, new, strict=True)):
            yield from differences(*both, subject, f"{where}[{index}]")
    elif isinstance(old, float) and isinstance(new, float):
        if not math.isclose(old, new, rel_tol=subject.rounding):
            yield f"{where} was {old!r} and is {new!r}"
    elif old != new:
        yield f"{where} was {old!r} and is {new!r}"


def main() -> None:
    found = []
    for subject in SUBJECTS.values():
        if sys.argv[1:] == ["--check"]:
            found += changes(subject)
        else:
            subject.path.write_text(as_json(subject.make()))
    sys.exit("\n".join(found) or None)


if __name__ == "__main__":
    main()
