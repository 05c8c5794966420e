"""What position is worth to a causal model of transformers: loss token by token, retrieval."""

from phasor.measure.by_position import LossByPosition as LossByPosition
from phasor.measure.by_position import cropped_losses as cropped_losses
from phasor.measure.by_position import in_bins as in_bins
from phasor.measure.by_position import token_losses as token_losses
from phasor.measure.passkey import Passkey as Passkey
from phasor.measure.passkey import Tokenizer as Tokenizer
from phasor.measure.passkey import passkey_found as passkey_found
from phasor.measure.passkey import passkey_prompt as passkey_prompt
from phasor.measure.passkey import passkey_room as passkey_room
