"""Frozen image-text teachers; the only importer of open_clip."""
