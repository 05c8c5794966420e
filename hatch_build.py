"""Build hook of the wheel, and of `pip install -e .`: compiles the native rotation.

Without a compiler the install succeeds all the same, and phasor rotates by the reference;
`phasor.kernels.cpu.why_missing()` says so. `PHASOR_REQUIRE_NATIVE=1` makes that an error instead.

A wheel also gets the documentation, for `phasor docs`, where the extra `docs` is installed beside
hatchling (`pip wheel --no-build-isolation --no-deps .`). `PHASOR_REQUIRE_DOCS=1` makes it an error
that it is not.
"""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CPU = Path("src", "phasor", "kernels", "cpu")


class Made(BuildHookInterface):
    """Puts what is made from sources into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._compile(build_data)
        if version != "editable":  # a checkout builds its own
            self._document(build_data)

    def _document(self, build_data: dict[str, Any]) -> None:
        if not all(map(importlib.util.find_spec, ("zensical", "mkdocstrings", "latex2mathml"))):
            if os.environ.get("PHASOR_REQUIRE_DOCS") == "1":
                raise RuntimeError("the documentation needs what the extra docs brings")
            return
        subprocess.run([sys.executable, Path(self.root, "docs", "build.py")], check=True)
        build_data["force_include"][str(Path(self.root, "build", "site"))] = "phasor/_site"

    def _compile(self, build_data: dict[str, Any]) -> None:
        """Put the compiled library beside its sources, and into the wheel."""
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
