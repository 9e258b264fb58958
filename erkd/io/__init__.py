"""Files, images and tables on disk."""
