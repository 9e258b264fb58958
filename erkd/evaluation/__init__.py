"""Scores of predictions, and the classical methods beside them."""
