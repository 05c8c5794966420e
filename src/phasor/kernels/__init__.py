"""The rotation itself. Knows tensors and frequencies, and no encoding."""

from phasor.kernels.api import rotate as rotate
