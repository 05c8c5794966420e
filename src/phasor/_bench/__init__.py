"""Measuring the rotation against other libraries: correct first, then timed side by side."""
