"""How far off cosines are, by position: fixed-point phase and float32 product, against mpmath.

python benchmarks/precision.py [--base 500000] [--head-dim 128] [--picture docs/precision.png]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import mpmath
import torch

import phasor

POSITIONS = (
    1, 10, 100, 1_000, 2_047, 8_191, 32_767, 131_071, 1_048_575, 10_000_000, 100_000_000, 2**31 - 1
)  # fmt: skip


def exact_cos(position: int, base: float, head_dim: int) -> torch.Tensor:
    """Cosines of the true angles: the base's powers, too, are taken to 50 digits."""
    with mpmath.workdps(50):
        values = [
            float(mpmath.cos(position * mpmath.power(base, mpmath.mpf(-2 * pair) / head_dim)))
            for pair in range(head_dim // 2)
        ]
    return torch.tensor(values, dtype=torch.float64)


def largest_errors(base: float, head_dim: int) -> dict[str, list[float]]:
    """Of cos over all pairs, at each of `POSITIONS`, for both ways to form the angle."""
    frequencies = phasor.geometric(head_dim, base)
    errors: dict[str, list[float]] = {"exact": [], "float32": []}
    for position in POSITIONS:
        truth = exact_cos(position, base, head_dim)
        for precision, found in errors.items():
            cos, _ = phasor.cos_sin(torch.tensor([position]), frequencies, precision=precision)
            found.append((cos[0].double() - truth).abs().max().item())
    return errors


def draw(errors: dict[str, list[float]], title: str, file: Path) -> None:
    """A picture of `errors`, by Plotly in headless Chromium."""
    import plotly.graph_objects as go
    from playwright.sync_api import sync_playwright

    names = {"float32": "float32 product", "exact": "phasor: fixed-point phase"}
    figure = go.Figure(
        [
            go.Scatter(x=POSITIONS, y=errors[key], name=name, mode="lines+markers")
            for key, name in names.items()
        ]
    )
    figure.update_layout(
        title=title, template="plotly_white", width=820, height=420, legend={"x": 0.02, "y": 0.98},
        margin={"l": 70, "r": 20, "t": 50, "b": 50},
    )  # fmt: skip
    figure.update_xaxes(type="log", title="position (tokens)", exponentformat="power", dtick=1)
    figure.update_yaxes(
        type="log", title="largest error of cos", exponentformat="power", range=[-9, 1], dtick=2
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "picture.html"
        figure.write_html(page_file, config={"displayModeBar": False})
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 836, "height": 436}, device_scale_factor=1.5)
        page.goto(page_file.as_uri())
        page.wait_for_selector(".scatterlayer .trace")
        page.screenshot(path=file)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=float, default=500_000.0)
    parser.add_argument("--head-dim", type=int, default=128)
    parser.add_argument("--picture", type=Path, help="also draw it (needs the dev extra)")
    arguments = parser.parse_args()
    errors = largest_errors(arguments.base, arguments.head_dim)
    title = f"Largest error of cos, base {arguments.base:g}, head_dim {arguments.head_dim}"
    print(f"{title}\n{'position':>14}  {'exact':>8}  {'float32':>8}")
    for position, *found in zip(POSITIONS, errors["exact"], errors["float32"], strict=True):
        print(f"{position:>14,}  {found[0]:8.1e}  {found[1]:8.1e}")
    if arguments.picture:
        draw(errors, title, arguments.picture)


if __name__ == "__main__":
    main()
