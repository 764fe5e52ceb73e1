"""People to measure on, the same for everybody: lists that say exactly who they are and how they stand."""
