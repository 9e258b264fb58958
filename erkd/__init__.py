"""Image matting with a small network trained by edge-reserved knowledge distillation (ERKD) from CLIP."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from erkd.runtime.openmp import limit_spinning
from erkd.telemetry import switch_off

if TYPE_CHECKING:
    from erkd.inference.matter import Matter

__all__ = ["Matter", "__version__"]
__version__ = "0.1.0"

switch_off()  # before any tool is imported
limit_spinning()


def __getattr__(name: str) -> Any:
    """`erkd.Matter`, imported when it is asked for: most of the package needs none of it."""
    if name == "Matter":
        return import_module("erkd.inference.matter").Matter
    raise AttributeError(f"module 'erkd' has no attribute {name!r}")
