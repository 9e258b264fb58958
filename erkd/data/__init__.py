"""Stored data sets: layers (foregrounds and backgrounds), composites, trimaps."""
