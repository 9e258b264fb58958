"""Distillation methods, one per file; `methods.py` chooses among them."""
