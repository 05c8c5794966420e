"""The report of an extension, as one HTML file."""

from phasor.extension.page.render import render_page as render_page
