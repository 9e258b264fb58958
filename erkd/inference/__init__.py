"""From arrays or files to alpha; free of torch when imported, `predict` apart."""
