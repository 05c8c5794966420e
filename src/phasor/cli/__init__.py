"""The `phasor` command: one thin function per verb."""

from phasor.cli import bench as bench
from phasor.cli import check as check
from phasor.cli import compare as compare
from phasor.cli import convert as convert
from phasor.cli import docs as docs
from phasor.cli import encodings as encodings
from phasor.cli import explain as explain
from phasor.cli import extend as extend
from phasor.cli import inspect as inspect
from phasor.cli.base import app as app
