"""The ablation, the release of pretrained students, and presets of settings."""
