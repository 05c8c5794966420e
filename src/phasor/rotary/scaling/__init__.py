r"""Context extension, as functions from frequencies to frequencies.

    longer = phasor.scaling.yarn(factor=8, original_seq_len=4096)(phasor.geometric(128))

Each is a frozen value that can be called, compared, printed and stored. Those whose result depends
on the length of the sequence are not called but asked for one: `dynamic_ntk(...).at(seq_len)`.
"""

from phasor.rotary.scaling.base import LengthScaling as LengthScaling
from phasor.rotary.scaling.base import Scaling as Scaling
from phasor.rotary.scaling.high import DropSlow
from phasor.rotary.scaling.llama_bands import Llama3
from phasor.rotary.scaling.ntk_parts import NTKByParts
from phasor.rotary.scaling.resonance import Resonance
from phasor.rotary.scaling.searched import LongRoPE, Stretch
from phasor.rotary.scaling.uniform import NTK, DynamicNTK, Linear, NTKAlpha, ThetaScale
from phasor.rotary.scaling.yarn_ramp import YaRN

linear = Linear
ntk = NTK
ntk_alpha = NTKAlpha
ntk_by_parts = NTKByParts
theta_scale = ThetaScale
dynamic_ntk = DynamicNTK
yarn = YaRN
llama3 = Llama3
stretch = Stretch
longrope = LongRoPE
resonance = Resonance
drop_slow = DropSlow

BY_NAME = {
    "linear": Linear,
    "ntk": NTK,
    "ntk_alpha": NTKAlpha,
    "ntk_by_parts": NTKByParts,
    "theta_scale": ThetaScale,
    "dynamic_ntk": DynamicNTK,
    "yarn": YaRN,
    "llama3": Llama3,
    "stretch": Stretch,
    "longrope": LongRoPE,
    "resonance": Resonance,
    "drop_slow": DropSlow,
}
"""The scalings as spellings and specs name them."""
