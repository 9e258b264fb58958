"""Training batches: composited live from the library's layers, or cut from stored composites."""
