"""Exact inside/outside labels, occupancy and colour samples."""
