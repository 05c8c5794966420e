"""Running a live model of transformers to see whether it handles position as its spec says."""

from phasor._check.result import Result as Result
from phasor._check.run import check_folder as check_folder
from phasor._check.run import check_model as check_model
