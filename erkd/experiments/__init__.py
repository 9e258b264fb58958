"""The ablation, the release, and presets of settings."""
