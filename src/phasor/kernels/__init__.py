"""The rotation itself. Knows tensors and frequencies, and no encoding."""

from phasor.kernels.api import rotate as rotate
from phasor.kernels.rerotate import rerotate as rerotate
