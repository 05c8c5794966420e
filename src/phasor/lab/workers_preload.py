"""Imported once by the server from which trial processes are forked, so that they start at once."""

import torch._dynamo

import phasor.lab.train

__all__ = ["phasor", "torch"]
