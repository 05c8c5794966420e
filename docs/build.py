"""Builds the site: `python docs/build.py` makes `build/site`; it needs the extra `docs`.

Zensical makes the pages of `zensical.toml` and stops at any warning. Then each formula is turned
from TeX into MathML, which browsers draw by themselves: no script, no font, no other host. What
the search shows of a formula is its characters.
"""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "site"

# As Zensical leaves them, in pages and in what is searched.
_FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)
_SEARCHED = re.compile(r"\\\(.*?\\\)|\\\[.*?\\\]", re.DOTALL)


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
        drawn = _FORMULA.sub(lambda found: _mathml(found[2], found[1] == "div"), text)
        page.write_text(drawn, encoding="utf-8")
    for index in (SITE / "search.json", SITE / "search.js"):  # the same, and as a script
        before, brace, rest = index.read_text(encoding="utf-8").partition("{")
        found = json.loads(brace + rest.rstrip().removesuffix(";"))
        for item in found["items"]:
            item["text"] = _SEARCHED.sub(lambda found: _characters(found[0]), item["text"])
        index.write_text(before + json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return SITE / "index.html"


def _mathml(tex: str, block: bool = False) -> str:
    r"""The markup of a formula, which stands between `\(` and `\)`, or `\[` and `\]`."""
    tex = html.unescape(tex).strip()[2:-2]
    mathml = str(convert(tex, display="block" if block else "inline"))
    if "\\" in mathml:
        raise ValueError(f"the formula {tex} has a command that latex2mathml does not know")
    return mathml


def _characters(tex: str) -> str:
    return html.escape("".join(ElementTree.fromstring(_mathml(tex)).itertext()))


if __name__ == "__main__":
    print(build())
