"""What can be looked at, one kind a file."""
