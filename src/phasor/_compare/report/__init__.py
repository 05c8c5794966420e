"""The report: one HTML file that opens from disk, made from `results.json` alone."""

from phasor._compare.report.render import render_overview as render_overview
from phasor._compare.report.render import render_report as render_report
