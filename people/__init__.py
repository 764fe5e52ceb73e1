"""The generator of free people."""
