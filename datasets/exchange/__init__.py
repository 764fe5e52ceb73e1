"""Conversion between renders folders and the training data of other toolkits; some formats in both directions."""
