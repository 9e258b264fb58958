"""Validation of the three tables and their files by Great Expectations."""
