"""What encodings share: the two bases of score and rotation, and the checks of their arguments."""
