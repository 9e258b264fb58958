"""Procedural foregrounds and backgrounds, everything from a seed; `materials` and `backdrops` are the ways in."""
