"""Scores of predictions, and the classical methods to compare with."""
