"""A longer context for a checkpoint: what each method does to it, measured, judged and written."""
