"""What this machine is, for whoever reads the numbers elsewhere."""

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import phasor


def hardware(device: torch.device, threads: int) -> dict[str, Any]:
    """Processor or GPU, system and threads."""
    found: dict[str, Any] = {
        "device": device.type,
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["gpu"] = properties.name
        found["gpu_memory_gib"] = round(properties.total_memory / 2**30, 1)
        found["cuda"] = torch.version.cuda
    return found


def versions() -> dict[str, str]:
    """Of what computes."""
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "phasor": phasor.__version__,
    }
    with suppress(PackageNotFoundError):
        found["triton"] = version("triton")
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()
