"""What this machine is, for whoever reads the numbers elsewhere."""

import os
import platform
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import phasor


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Processor and GPU, system and threads."""

    device: str
    cpu: str
    cores: int | None
    threads: int
    system: str
    gpu: str | None = None
    gpu_memory_gib: float | None = None
    cuda: str | None = None


def hardware(device: torch.device, threads: int) -> Hardware:
    """That of this machine."""
    found = Hardware(
        device=device.type,
        cpu=_processor(),
        cores=os.cpu_count(),
        threads=threads,
        system=f"{platform.system()} {platform.machine()}",
    )
    if device.type != "cuda":
        return found
    properties = torch.cuda.get_device_properties(device)
    memory = round(properties.total_memory / 2**30, 1)
    return replace(found, gpu=properties.name, gpu_memory_gib=memory, cuda=torch.version.cuda)


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
