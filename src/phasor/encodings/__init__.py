"""Every encoding, one file each: two lines here put one into `phasor`, command and contract suite.

A file is imported when its encoding is asked for: few models need more than one.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phasor.encodings.alibi import ALiBi as ALiBi
    from phasor.encodings.cope import CoPE as CoPE
    from phasor.encodings.deberta import DeBERTa as DeBERTa
    from phasor.encodings.decomposed import DecomposedBias as DecomposedBias
    from phasor.encodings.fire import FIRE as FIRE
    from phasor.encodings.fope import FoPE as FoPE
    from phasor.encodings.fox import FoX as FoX
    from phasor.encodings.grape import GRAPEM as GRAPEM
    from phasor.encodings.kerple import KERPLE as KERPLE
    from phasor.encodings.learned import Learned as Learned
    from phasor.encodings.liere import LieRE as LieRE
    from phasor.encodings.log_cpb import LogCPB as LogCPB
    from phasor.encodings.logn import LogN as LogN
    from phasor.encodings.mixed import RotaryMixed as RotaryMixed
    from phasor.encodings.path import PaTH as PaTH
    from phasor.encodings.pope import PoPE as PoPE
    from phasor.encodings.relative_logits import RelativeLogits as RelativeLogits
    from phasor.encodings.relative_table import RelativeTable as RelativeTable
    from phasor.encodings.rotary import Rotary as Rotary
    from phasor.encodings.sandwich import Sandwich as Sandwich
    from phasor.encodings.score_temperature import ScoreTemperature as ScoreTemperature
    from phasor.encodings.selective_rotary import SelectiveRotary as SelectiveRotary
    from phasor.encodings.shaw import Shaw as Shaw
    from phasor.encodings.sinusoidal import Sinusoidal as Sinusoidal
    from phasor.encodings.ssmax import SSMax as SSMax
    from phasor.encodings.string_circulant import STRING as STRING
    from phasor.encodings.t5 import T5Bias as T5Bias
    from phasor.encodings.temperature import QueryTemperature as QueryTemperature
    from phasor.encodings.transformer_xl import TransformerXL as TransformerXL
    from phasor.encodings.uneven_rotary import UnevenRotary as UnevenRotary
    from phasor.encodings.xpos import XPos as XPos

MODULES = {
    "ALiBi": "phasor.encodings.alibi",
    "CoPE": "phasor.encodings.cope",
    "DeBERTa": "phasor.encodings.deberta",
    "DecomposedBias": "phasor.encodings.decomposed",
    "FIRE": "phasor.encodings.fire",
    "FoPE": "phasor.encodings.fope",
    "FoX": "phasor.encodings.fox",
    "GRAPEM": "phasor.encodings.grape",
    "KERPLE": "phasor.encodings.kerple",
    "Learned": "phasor.encodings.learned",
    "LieRE": "phasor.encodings.liere",
    "LogCPB": "phasor.encodings.log_cpb",
    "LogN": "phasor.encodings.logn",
    "RotaryMixed": "phasor.encodings.mixed",
    "PaTH": "phasor.encodings.path",
    "PoPE": "phasor.encodings.pope",
    "RelativeLogits": "phasor.encodings.relative_logits",
    "RelativeTable": "phasor.encodings.relative_table",
    "Rotary": "phasor.encodings.rotary",
    "Sandwich": "phasor.encodings.sandwich",
    "ScoreTemperature": "phasor.encodings.score_temperature",
    "SelectiveRotary": "phasor.encodings.selective_rotary",
    "Shaw": "phasor.encodings.shaw",
    "Sinusoidal": "phasor.encodings.sinusoidal",
    "SSMax": "phasor.encodings.ssmax",
    "STRING": "phasor.encodings.string_circulant",
    "T5Bias": "phasor.encodings.t5",
    "QueryTemperature": "phasor.encodings.temperature",
    "TransformerXL": "phasor.encodings.transformer_xl",
    "UnevenRotary": "phasor.encodings.uneven_rotary",
    "XPos": "phasor.encodings.xpos",
}
"""Where each encoding is."""

if not TYPE_CHECKING:  # to a checker, a name that does not exist is an error

    def __getattr__(name: str) -> object:
        if name not in MODULES:
            raise AttributeError(f"module 'phasor.encodings' has no attribute {name!r}")
        found = getattr(import_module(MODULES[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*globals(), *MODULES]
