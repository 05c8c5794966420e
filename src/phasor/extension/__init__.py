"""A longer context for a checkpoint: what each method does to it, measured, judged and written."""

from phasor.extension.result import Extension as Extension
from phasor.extension.run import extend as extend
