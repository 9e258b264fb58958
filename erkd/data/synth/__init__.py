"""Procedural foregrounds and backgrounds; `materials` and `backdrops` are the ways in."""
