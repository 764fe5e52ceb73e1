"""Find the subjects of a model directory, read them, and pose them into scenes."""
