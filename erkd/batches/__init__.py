"""Training batches: live composites of the library's layers, or stored ones."""
