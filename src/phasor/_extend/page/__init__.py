"""The report of an extension, as one HTML file."""

from phasor._extend.page.render import render_page as render_page
