"""Models as they are found: in files, and live."""
