"""Checkpoints in, specs out: what a model on disk or in memory does to encode position."""

from phasor._read.reader import Reading as Reading
from phasor._read.reader import examine as examine
from phasor._read.reader import read as read
