"""Keep the rows of a comparison for `phasor explain`, as src/phasor/_explain/measured.json.

    phasor compare --encodings none,sinusoidal,learned,rotary,alibi --out runs/rows
    python benchmarks/measured_rows.py runs/rows/results.json

Losses alone are kept: they do not depend on what else the machine does, as times do.
"""

import argparse
import json
from pathlib import Path

import phasor
from phasor._compare.results import Results

_PLACE = Path(phasor.__file__).parent / "_explain" / "measured.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="results.json of the comparison")
    parser.add_argument("--out", type=Path, default=_PLACE, help="where to write the rows")
    arguments = parser.parse_args()
    found = Results.from_json(json.loads(arguments.results.read_text(encoding="utf-8")))
    arguments.out.write_text(
        json.dumps(rows(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def rows(found: Results) -> dict[str, object]:
    first = next(iter(found.encodings.values()))
    return {
        "command": found.command,
        "versions": dict(found.versions),
        "text": None if found.text is None else vars(found.text),
        "unit": found.unit,
        "train_length": found.config.train_length,
        "seeds": len(found.config.seeds),
        "model_parameters": first.model_parameters - first.parameters,
        "rows": {
            name: {
                length: [
                    None if x is None else round(x, 5) for x in (cell.mean, cell.low, cell.high)
                ]
                for length, cell in summary.loss.items()
            }
            for name, summary in found.encodings.items()
        },
    }


if __name__ == "__main__":
    main()
