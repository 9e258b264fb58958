"""The four official matting metrics."""
