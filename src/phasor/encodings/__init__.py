"""Every encoding, one file each, and the names by which the command knows them."""

from phasor.encodings.alibi import ALiBi as ALiBi
from phasor.encodings.learned import Learned as Learned
from phasor.encodings.rotary import Rotary as Rotary
from phasor.encodings.sinusoidal import Sinusoidal as Sinusoidal
