"""What a file of frozen numbers holds."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
Case = dict[str, object]


@dataclass(frozen=True)
class Subject:
    """One file: where its numbers come from, what they mean, and how to make them anew.

    `rounding` is the relative difference that another processor's float32 powers may make.
    """

    name: str
    source: str
    formula: str
    made_with: tuple[str, ...]
    cases: Callable[[], Iterable[Case]]
    rounding: float

    @property
    def path(self) -> Path:
        return HERE / f"{self.name}.json"

    def make(self) -> dict[str, object]:
        return {
            "source": self.source,
            "formula": self.formula,
            "made_with": {package: version(package) for package in self.made_with},
            "cases": list(self.cases()),
        }

    def frozen(self) -> dict[str, object]:
        return json.loads(self.path.read_text())


def as_json(content: dict[str, object]) -> str:
    """JSON that can be read and compared by line: each list of numbers on a line of its own."""
    cases = content["cases"]
    assert isinstance(cases, list)
    head = [f"  {json.dumps(key)}: {json.dumps(content[key])},\n" for key in content][:-1]
    blocks = [
        ",\n".join(f"      {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items())
        for case in cases
    ]
    body = ",\n".join(f"    {{\n{block}\n    }}" for block in blocks)
    return "{\n" + "".join(head) + f'  "cases": [\n{body}\n  ]\n}}\n'


def float32_numbers(values: Iterable[float]) -> list[float]:
    """Nine digits tell every float32 from its neighbours."""
    return [float(f"{float(value):.9g}") for value in values]
