"""What models do to encode position, as data: frozen, comparable, readable, stored as JSON."""

from phasor.spec.encodings import ALiBiSpec as ALiBiSpec
from phasor.spec.encodings import LearnedSpec as LearnedSpec
from phasor.spec.encodings import QueryTemperatureSpec as QueryTemperatureSpec
from phasor.spec.encodings import RotarySpec as RotarySpec
from phasor.spec.encodings import SinusoidalSpec as SinusoidalSpec
from phasor.spec.encodings import SSMaxSpec as SSMaxSpec
from phasor.spec.encodings import T5BiasSpec as T5BiasSpec
from phasor.spec.frequencies import AxialSpec as AxialSpec
from phasor.spec.frequencies import ExplicitSpec as ExplicitSpec
from phasor.spec.frequencies import GeometricSpec as GeometricSpec
from phasor.spec.frequencies import ImagePeriodsSpec as ImagePeriodsSpec
from phasor.spec.frequencies import ProportionalSpec as ProportionalSpec
from phasor.spec.frequencies import SectionsSpec as SectionsSpec
from phasor.spec.position_spec import LayerSpec as LayerSpec
from phasor.spec.position_spec import PositionSpec as PositionSpec
from phasor.spec.relative import DeBERTaSpec as DeBERTaSpec
from phasor.spec.relative import RelativeLogitsSpec as RelativeLogitsSpec
from phasor.spec.relative import ScoreTemperatureSpec as ScoreTemperatureSpec
from phasor.spec.relative import ShawSpec as ShawSpec
from phasor.spec.relative import TransformerXLSpec as TransformerXLSpec
from phasor.spec.uneven import UnevenRotarySpec as UnevenRotarySpec
