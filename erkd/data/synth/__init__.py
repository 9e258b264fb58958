"""Procedural foregrounds and backgrounds; the entry points are `materials` and `backgrounds`."""
