"""The student network, one part per file."""
