"""What models do to encode position, as data: frozen, comparable, readable, stored as JSON.

Each encoding as data is in the file of the encoding; here all of them are by name.
"""

from phasor._encoding_spec import EncodingSpec as EncodingSpec
from phasor.encodings.alibi import ALiBiSpec as ALiBiSpec
from phasor.encodings.cope import CoPESpec as CoPESpec
from phasor.encodings.deberta import DeBERTaSpec as DeBERTaSpec
from phasor.encodings.decomposed import DecomposedBiasSpec as DecomposedBiasSpec
from phasor.encodings.fire import FIRESpec as FIRESpec
from phasor.encodings.fope import FoPESpec as FoPESpec
from phasor.encodings.fox import FoXSpec as FoXSpec
from phasor.encodings.grape import GRAPEMSpec as GRAPEMSpec
from phasor.encodings.kerple import KERPLESpec as KERPLESpec
from phasor.encodings.learned import LearnedSpec as LearnedSpec
from phasor.encodings.liere import LieRESpec as LieRESpec
from phasor.encodings.log_cpb import LogCPBSpec as LogCPBSpec
from phasor.encodings.logn import LogNSpec as LogNSpec
from phasor.encodings.mixed import RotaryMixedSpec as RotaryMixedSpec
from phasor.encodings.path import PaTHSpec as PaTHSpec
from phasor.encodings.pope import PoPESpec as PoPESpec
from phasor.encodings.relative_logits import RelativeLogitsSpec as RelativeLogitsSpec
from phasor.encodings.relative_table import RelativeTableSpec as RelativeTableSpec
from phasor.encodings.rotary import RotarySpec as RotarySpec
from phasor.encodings.sandwich import SandwichSpec as SandwichSpec
from phasor.encodings.score_temperature import ScoreTemperatureSpec as ScoreTemperatureSpec
from phasor.encodings.selective_rotary import SelectiveRotarySpec as SelectiveRotarySpec
from phasor.encodings.shaw import ShawSpec as ShawSpec
from phasor.encodings.sinusoidal import SinusoidalSpec as SinusoidalSpec
from phasor.encodings.ssmax import SSMaxSpec as SSMaxSpec
from phasor.encodings.string_circulant import STRINGSpec as STRINGSpec
from phasor.encodings.t5 import T5BiasSpec as T5BiasSpec
from phasor.encodings.temperature import QueryTemperatureSpec as QueryTemperatureSpec
from phasor.encodings.transformer_xl import TransformerXLSpec as TransformerXLSpec
from phasor.encodings.uneven_rotary import UnevenRotarySpec as UnevenRotarySpec
from phasor.encodings.xpos import XPosSpec as XPosSpec
from phasor.rotary.rules import AxialSpec as AxialSpec
from phasor.rotary.rules import ExplicitSpec as ExplicitSpec
from phasor.rotary.rules import GeometricSpec as GeometricSpec
from phasor.rotary.rules import ImagePeriodsSpec as ImagePeriodsSpec
from phasor.rotary.rules import ProportionalSpec as ProportionalSpec
from phasor.rotary.rules import SectionsSpec as SectionsSpec
from phasor.spec.position_spec import LayerSpec as LayerSpec
from phasor.spec.position_spec import PositionSpec as PositionSpec
