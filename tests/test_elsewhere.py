"""phasor where Python lacks the modules that Windows lacks."""

import subprocess
import sys

IMPORTS = """
import importlib, pkgutil, sys
for name in ("torch", "torch._dynamo", "transformers", "accelerate", "filelock", "psutil", "typer",
             "rich", "plotly", "scipy.stats", "jinja2", "gguf", "safetensors.torch", "optuna",
             "peft", "pytest", "hypothesis", "multiprocessing.resource_tracker", "triton"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
import phasor
count = 0
for module in pkgutil.walk_packages(phasor.__path__, "phasor."):
    if module.name.rpartition(".")[2].startswith("lib"):
        continue  # the native rotation, which ctypes loads
    try:
        importlib.import_module(module.name)
        count += 1
    except ModuleNotFoundError as error:
        if error.name in ("fcntl", "resource", "termios", "pwd", "grp") or error.name is None:
            raise
        print(module.name, error.name)
print(count)
"""


def test_every_module_imports_without_what_windows_lacks() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) > 200
