"""The laboratory: trains small models that differ in their position encoding alone."""
