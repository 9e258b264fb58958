"""Inference, from arrays or files to alpha. Only `predict` imports torch at import time."""
