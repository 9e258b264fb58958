"""Image matting with a small network trained by edge-reserved knowledge distillation (ERKD) from CLIP."""

__version__ = "0.1.0"
