"""Checkpoints in, specs out: what a model on disk or in memory does to encode position."""

from phasor.checkpoints.reader import Reading as Reading
from phasor.checkpoints.reader import examine as examine
from phasor.checkpoints.reader import read as read
