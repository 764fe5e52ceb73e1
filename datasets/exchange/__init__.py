"""Conversion between renders folders and the training folders of PIFu and ICON, in both directions."""
