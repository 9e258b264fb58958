"""Image matting with a small network trained by edge-reserved knowledge distillation (ERKD) from CLIP."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from erkd.runtime.openmp import limit_spinning
from erkd.telemetry import switch_off

if TYPE_CHECKING:
    from erkd.inference.functions import estimate_alpha, estimate_foreground
    from erkd.inference.matter import Matter

__all__ = ["Matter", "__version__", "estimate_alpha", "estimate_foreground"]
__version__ = "0.1.0"

switch_off()  # before any tool is imported
limit_spinning()

HOMES = {"Matter": "matter", "estimate_alpha": "functions", "estimate_foreground": "functions"}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is asked for: most of the package needs none of them."""
    if name in HOMES:
        return getattr(import_module(f"erkd.inference.{HOMES[name]}"), name)
    raise AttributeError(f"module 'erkd' has no attribute {name!r}")
