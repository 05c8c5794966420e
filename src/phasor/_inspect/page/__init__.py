"""The page of an inspection: one HTML file that opens from disk."""

from phasor._inspect.page.render import render_page as render_page
