"""Compiling the native rotation: `python -m phasor.kernels.cpu.build`, and the wheel's build hook.

Needs a C compiler (`$CC`, or `cc`, `gcc` or `clang`) and nothing else. Knows nothing of phasor, so
that the build hook can run it where there is no PyTorch.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
LIBRARY = FOLDER / "librotate.so"

# Each instruction set is chosen at run time, by what the processor has: the library runs on all.
_VARIANTS = {"generic": []}
_AVX2 = ["-mavx2", "-mfma", "-mf16c"]
_AVX512 = [*_AVX2, "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"]
_X86_VARIANTS = {"avx2": _AVX2, "avx512": [*_AVX512, "-mprefer-vector-width=512"]}
_FLAGS = ["-std=gnu11", "-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]


def build(
    library: Path = LIBRARY, *, only: str | None = None, options: tuple[str, ...] = ()
) -> None:
    """Compile the library.

    Args:
        library: The file to write.
        only: An instruction set, `"generic"`, `"avx2"` or `"avx512"`, to be used whatever the
            processor has: for tests.
        options: Further ones of the compiler, after phasor's own: for tests.

    Raises:
        RuntimeError: There is no compiler, or it failed.
    """
    compiler = _compiler()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    defines = ["-DPHASOR_X86"] if x86 else []
    variants = _VARIANTS | (_X86_VARIANTS if x86 else {})
    if only is not None:
        defines, variants = [], {"generic": variants[only]}
    with tempfile.TemporaryDirectory() as folder:
        units = [("rotate.c", "rotate", [])]
        for variant, machine in variants.items():
            named = [f"-DVARIANT={variant}", *machine]
            units.append(("table.c", f"table_{variant}", [*named, "-ffp-contract=off"]))
            units.append(("rows.c", f"rows_{variant}", [*named, "-ffp-contract=fast"]))
            for name, defined in (("turn_rows_wide", []), ("turn_rows_each", ["-DEACH"])):
                flags = [*named, "-ffp-contract=off", f"-DTURN_ROWS={name}", *defined]
                units.append(("rows.c", f"{name}_{variant}", flags))
        objects = []
        for source, name, flags in units:
            objects.append(str(Path(folder, f"{name}.o")))
            given = [*_FLAGS, *defines, *flags, *options]
            _run([*compiler, *given, "-c", str(FOLDER / source)], objects[-1])
        # Written beside its place and moved there: a process may have the old one open.
        fresh = str(Path(folder, library.name))
        _run([*compiler, *options, "-shared", *objects, "-lm", "-lpthread"], fresh)
        shutil.copy(fresh, f"{library}.new")
        Path(f"{library}.new").replace(library)


def _compiler() -> list[str]:
    if sys.platform == "win32":
        raise RuntimeError("the native rotation is not built on Windows")
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    raise RuntimeError("no C compiler: none of cc, gcc and clang is on the PATH, and CC is not set")


def _run(command: list[str], output: str) -> None:
    try:
        done = subprocess.run([*command, "-o", output], capture_output=True, text=True, check=False)
    except OSError as error:
        raise RuntimeError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr}")
    if done.stderr:
        print(done.stderr, file=sys.stderr)


if __name__ == "__main__":
    build()
    print(LIBRARY)
