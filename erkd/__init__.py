"""Image matting with a small network trained by edge-reserved knowledge distillation (ERKD) from CLIP."""

from erkd.telemetry import switch_off

__version__ = "0.1.0"

switch_off()  # before any tool is imported
