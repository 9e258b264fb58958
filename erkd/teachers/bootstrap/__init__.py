"""The offline teacher: a small CLIP tuned from ImageNet weights."""
