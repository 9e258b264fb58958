"""Distillation methods, one per file; `methods.py` builds those that `kd.methods` names."""
