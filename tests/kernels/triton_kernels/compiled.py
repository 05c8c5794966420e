"""Machine code of a launch, made without a GPU: Triton's wheel brings the assembler with it."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch


@dataclass(frozen=True)
class Code:
    """What one compiled kernel does."""

    registers: int
    stack: int
    instructions: Counter[str]

    def accesses(self, kind: str) -> Counter[int]:
        """How many global accesses of `kind`, `"LDG"` or `"STG"`, there are by width in bits."""
        widths: Counter[int] = Counter()
        for name, count in self.instructions.items():
            if name.startswith(kind):
                wide = re.search(r"\.(64|128)\b", name)
                narrow = re.search(r"\.[US](8|16)\b", name)
                found = wide or narrow
                widths[int(found[1]) if found else 32] += count
        return widths


@contextmanager
def _target() -> Iterator[None]:
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    class Hopper:
        get_current_device = staticmethod(lambda: 0)
        get_current_stream = staticmethod(lambda device=None: 0)
        get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
        get_active_torch_device = staticmethod(lambda: torch.device("meta"))

    # reset_active() looks for a device at once, and there may be none.
    before, driver._active = driver._active, Hopper()
    try:
        yield
    finally:
        driver._active = before


def compiled(module: ModuleType, kernel: str, call: Callable[[], object]) -> Code:
    """The code that `call`, on meta tensors, would launch of `module`'s `kernel` on an H100."""
    import triton

    function, made = getattr(module, kernel), []

    class Compile:
        def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
            return lambda *args, **options: made.append(
                function.run(*args, grid=grid, warmup=True, **options)
            )

    setattr(module, kernel, Compile())
    try:
        with _target():
            call()
    finally:
        setattr(module, kernel, function)
    (program,) = made
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(program.asm["cubin"])
        texts = [
            subprocess.run([tool, option, cubin], capture_output=True, text=True, check=True).stdout
            for option in ("--dump-resource-usage", "--dump-sass")
        ]
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", texts[0]).groups()
    names = re.findall(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", texts[1], re.M)
    return Code(int(registers), int(stack), Counter(names))
