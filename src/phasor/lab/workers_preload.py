"""Imported once by the server from which trial processes are forked, so that they start at once."""

import signal

# Before the imports, which take seconds: Ctrl-C goes to the parent, which ends its server.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import torch._dynamo  # noqa: E402

import phasor.lab.train  # noqa: E402

__all__ = ["phasor", "torch"]
