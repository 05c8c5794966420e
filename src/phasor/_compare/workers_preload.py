"""Imported once by the server from which trial processes are forked, so that they start at once."""

import torch._dynamo

import phasor._compare.train
from phasor._compare.workers_folder import delete_at_the_end

__all__ = ["phasor", "torch"]

delete_at_the_end()
