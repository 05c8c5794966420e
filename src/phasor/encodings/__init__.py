"""Every encoding, one file each: a line here puts one into `phasor`, command and contract suite."""

from typing import TYPE_CHECKING

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

if not TYPE_CHECKING:
    # Without the modules, which are names here too.
    __all__ = [name for name, value in globals().items() if isinstance(value, type)]
