"""How much memory a stretch of work needs."""

import sys

import psutil
import torch


class MemoryMeter:
    """From its making on: peak bytes beyond what was in use then, of this process or its GPU.

    On the CPU the peak is that of the whole process so far, so it means something only in a
    process of its own. Where the operating system keeps no peak (Windows keeps another), the
    memory in use at the end stands in for it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = self._in_use()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def peak(self) -> int:
        """Bytes."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        return max(0, _peak_of_process() - self._before)

    def _in_use(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        return psutil.Process().memory_info().rss


def _peak_of_process() -> int:
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
