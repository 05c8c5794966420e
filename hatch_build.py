"""Build hook of the wheel, and of `pip install -e .`: compiles the native rotation.

Without a compiler the install succeeds all the same, and phasor rotates by the reference;
`phasor.kernels.cpu.why_missing()` says so. `PHASOR_REQUIRE_NATIVE=1` makes that an error instead.
"""

import importlib.util
import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CPU = Path("src", "phasor", "kernels", "cpu")


class NativeRotation(BuildHookInterface):
    """Puts the compiled library beside its sources, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.root, CPU)
        spec = importlib.util.spec_from_file_location("build_native", folder / "build.py")
        assert spec is not None
        assert spec.loader is not None
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        try:
            native.build()
        except RuntimeError as error:
            if os.environ.get("PHASOR_REQUIRE_NATIVE") == "1":
                raise
            native.LIBRARY.unlink(missing_ok=True)  # never one that older sources left behind
            self.app.display_warning(f"phasor without its native rotation: {error}")
            return
        # Plain C, called by address: any Python 3, but this platform alone.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        build_data["pure_python"] = False
        build_data["artifacts"].append(str(CPU / native.LIBRARY.name))
