"""The registered experiment, the release of pretrained students, and presets of settings."""
