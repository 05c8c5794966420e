"""Imported once by the server from which trial processes are forked, so that they start at once."""

import torch._dynamo

import phasor.lab.train
from phasor.lab.workers_folder import delete_at_the_end

__all__ = ["phasor", "torch"]

delete_at_the_end()
