"""`phasor docs`: opens the documentation, without a network."""

import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Annotated

import typer

import phasor
from phasor.cli.base import FAILURE, INTERRUPTED, USAGE_ERROR, app, fail, open_page
from phasor.installation import install

# Of an installed wheel, and of a checkout.
PACKAGE = Path(phasor.__file__).parent
CHECKOUT = PACKAGE.parents[1]


@app.command(epilog="Example: phasor docs")
def docs(
    only_print: Annotated[
        bool, typer.Option("--print", help="Print where its first page is, and open nothing.")
    ] = False,
) -> None:
    """Open the documentation in a browser: learn, how to, reference, why. It needs no network.

    The copy that came with phasor; in a checkout with the extra docs, one that is built first.
    """
    installed = PACKAGE / "_site" / "index.html"
    page = installed if installed.exists() else _built()
    typer.echo(page)
    if not only_print:
        open_page(page)


def _built() -> Path:
    """The first page of the site that a checkout builds."""
    script = CHECKOUT / "docs" / "build.py"
    if not script.exists():
        fail(
            "this phasor was installed without its documentation, which is the folder docs of its "
            "source; there, phasor docs builds and opens it",
            status=USAGE_ERROR,
        )
    if util.find_spec("zensical") is None:
        fail(
            f"the documentation is in {script.parent} as Markdown; to build it and open it in a "
            f"browser: {install('docs')}",
            status=USAGE_ERROR,
        )
    try:
        run = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True)
    except KeyboardInterrupt:
        fail("stopped", status=INTERRUPTED)
    if run.returncode:
        fail(f"{script} could not build the documentation; see above", status=FAILURE)
    return Path(run.stdout.strip())
