r"""Context extension, as functions from frequencies to frequencies.

    longer = phasor.scaling.yarn(factor=8, original_seq_len=4096)(phasor.geometric(128))

Each is a frozen value that can be called, compared, printed and stored. Those whose result depends
on the length of the sequence are not called but asked for one: `dynamic_ntk(...).at(seq_len)`.
"""

from typing import Any

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.scaling.base import LENGTH_KEY as LENGTH_KEY
from phasor.rotary.scaling.base import LengthScaling as LengthScaling
from phasor.rotary.scaling.base import NamedElsewhere as NamedElsewhere
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

BY_ROPE_TYPE: dict[str, type[NamedElsewhere]] = {
    kind.rope_type: kind for kind in (Linear, DynamicNTK, YaRN, LongRoPE, Llama3)
}
"""Those that transformers has, by its `rope_type`; `NTKAlpha` is HunYuan's "dynamic"."""


def rope_parameters(
    scaling: Scaling | LengthScaling | None, frequencies: Frequencies
) -> dict[str, Any]:
    """How transformers writes down a scaling of `frequencies`, with their base.

    What does no more than change the base (`ntk`, `theta_scale`) is written as that base.

    Args:
        scaling: Or `None`.
        frequencies: Unscaled, with a base.

    Raises:
        ArgumentError: A scaling for which transformers has no words.
    """
    if scaling is None:
        return {"rope_theta": frequencies.base, "rope_type": "default"}
    if isinstance(scaling, NamedElsewhere):
        return {"rope_theta": frequencies.base, **scaling.to_hf()}
    if isinstance(scaling, NTK | ThetaScale):
        return {"rope_theta": scaling(frequencies).base, "rope_type": "default"}
    raise ArgumentError(
        f"transformers has no rope_type for {scaling!r}; there are {', '.join(BY_ROPE_TYPE)}, and "
        "a larger rope_theta"
    )
