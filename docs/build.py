"""Builds the site: `python docs/build.py` makes `build/site`; it needs the extra `docs`.

Zensical makes the pages of `zensical.toml` and stops at any warning. Then each formula is turned
from TeX into MathML, which browsers draw by themselves: no script, no font, no other host.
"""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


def build() -> Path:
    """Build the site anew.

    Returns:
        Its first page.

    Raises:
        subprocess.CalledProcessError: Zensical warned; what it said is on standard error.
        ValueError: A formula that cannot be turned into MathML.
    """
    shutil.rmtree(SITE, ignore_errors=True)  # no page that its source has left
    # Of what it remembers, docstrings that changed since are no part: all is made anew.
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    for page in SITE.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(_FORMULA.sub(_as_mathml, text), encoding="utf-8")
    return SITE / "index.html"


def _as_mathml(found: re.Match[str]) -> str:
    tex = html.unescape(found[2]).strip()  # between \( and \), or \[ and \]
    shown = "block" if found[1] == "div" else "inline"
    mathml = str(convert(tex[2:-2], display=shown))
    if "\\" in mathml:
        raise ValueError(f"the formula {tex} has a command that latex2mathml does not know")
    return mathml


if __name__ == "__main__":
    print(build())
