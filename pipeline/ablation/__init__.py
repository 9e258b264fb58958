"""The stages of `ablation/dvc.yaml` alone."""
