"""What an encoding, a scaling, a word or a checkpoint's own encoding does, on a screenful."""
