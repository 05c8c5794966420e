"""The rotation itself. Knows tensors and frequencies, and no encoding."""

from phasor.kernels.api import rotate as rotate
from phasor.kernels.cache import rotate_into_cache as rotate_into_cache
from phasor.kernels.norm import norm_rotate as norm_rotate
from phasor.kernels.rerotate import rerotate as rerotate
