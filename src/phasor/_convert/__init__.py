"""Rewriting a safetensors checkpoint from one pair layout, or one format, to another."""
