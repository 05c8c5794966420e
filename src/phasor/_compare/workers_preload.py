"""Imported once by the server from which trial processes are forked, so that they start at once."""

# ruff: noqa: E402
from phasor._compare.workers_folder import delete_at_the_end

delete_at_the_end()  # before what takes seconds, in which the command may be killed

import torch._dynamo

import phasor._compare.train

__all__ = ["phasor", "torch"]
