"""Checkpoints: what people have on disk."""
