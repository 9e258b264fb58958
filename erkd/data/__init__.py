"""Stored data sets: layers, composites, trimaps."""
