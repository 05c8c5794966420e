"""phasor's rotation in a live model of transformers."""
