"""How scores and methods are called and printed: one table of metrics, one of methods."""

from dataclasses import dataclass

UNKNOWN, WHOLE = "unknown region", "whole image"
METHOD_NAMES = {
    "student": "student",
    "interpolation": "distance interpolation",
    "closed_form": "closed form",
    "knn": "KNN",
    "shared_sampling": "shared sampling",
    "mean": "mean of PyMatting's",
}


@dataclass(frozen=True)
class Metric:
    """How one field of `Scores` is printed: its value times `factor` is in `unit`; mostly less is better."""

    key: str
    title: str
    unit: str
    region: str
    factor: float = 1
    digits: int = 2
    more_is_better: bool = False

    def text(self, value: float, digits: int | None = None) -> str:
        """A stored value in `unit`, with the usual digits or as many as are asked for."""
        return f"{value * self.factor:.{self.digits if digits is None else digits}f}"


METRICS = {
    metric.key: metric
    for metric in (
        Metric("sad", "SAD", "10³ px", UNKNOWN),
        Metric("mse", "MSE", "10⁻³", UNKNOWN, 1000),
        Metric("grad", "Grad", "10³", UNKNOWN),
        Metric("conn", "Conn", "10³ px", UNKNOWN),
        Metric("sad_whole", "SAD", "10³ px", WHOLE),
        Metric("mse_whole", "MSE", "10⁻³", WHOLE, 1000),
        Metric("grad_whole", "Grad", "10³", WHOLE),
        Metric("conn_whole", "Conn", "10³ px", WHOLE),
        Metric("sad_edge", "SAD near edges", "10³ px", UNKNOWN),
        Metric("boundary_f", "boundary F", "0 to 1, more is better", WHOLE, digits=3, more_is_better=True),
    )
}
OFFICIAL = tuple(METRICS.values())[:4]  # the four that papers print, over the unknown region


def method_name(method: str) -> str:
    """A method's name in prose."""
    return METHOD_NAMES.get(method, method.replace("_", " "))


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, a real minus."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
