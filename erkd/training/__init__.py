"""One training: loop, validation, checkpoint."""
