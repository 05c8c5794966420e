"""What a trained model does with position: the lab's own, and any causal model of transformers."""

from phasor.lab.measure.by_position import LossByPosition as LossByPosition
from phasor.lab.measure.by_position import cropped_losses as cropped_losses
from phasor.lab.measure.by_position import in_bins as in_bins
from phasor.lab.measure.by_position import token_losses as token_losses
from phasor.lab.measure.decoder import Distance as Distance
from phasor.lab.measure.decoder import Magnitude as Magnitude
from phasor.lab.measure.decoder import Predictions as Predictions
from phasor.lab.measure.decoder import Score as Score
from phasor.lab.measure.decoder import additive_ratio as additive_ratio
from phasor.lab.measure.decoder import loss_by_position as loss_by_position
from phasor.lab.measure.decoder import magnitude as magnitude
from phasor.lab.measure.decoder import order_sensitivity as order_sensitivity
from phasor.lab.measure.decoder import predict as predict
from phasor.lab.measure.decoder import score as score
from phasor.lab.measure.decoder import score_by_distance as score_by_distance
from phasor.lab.measure.passkey import Passkey as Passkey
from phasor.lab.measure.passkey import Tokenizer as Tokenizer
from phasor.lab.measure.passkey import passkey_found as passkey_found
from phasor.lab.measure.passkey import passkey_prompt as passkey_prompt
from phasor.lab.measure.passkey import passkey_room as passkey_room
