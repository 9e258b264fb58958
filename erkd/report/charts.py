"""Small charts as inline SVG whose colours are the page's own, so that they fit a light and a dark page."""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 28
CEILING = 99  # percentile at which an axis ends when a few first values would flatten the rest


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) within [low, high]."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / count
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def round_up(low: float, high: float) -> float:
    """The first of `nice_ticks`' numbers that is not below `high`."""
    ticks = nice_ticks(low, high)
    if len(ticks) < 2:
        return high
    step = ticks[1] - ticks[0]
    return ticks[0] + step * math.ceil((high - ticks[0]) / step - 1e-9)


def smooth(values: Sequence[float], share: float = 0.05) -> list[float]:
    """A centred running mean over `share` of the series."""
    array = np.asarray(values, float)
    reach = max(1, round(len(array) * share / 2))
    sums = np.concatenate([[0.0], array.cumsum()])
    index = np.arange(len(array))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(array))
    return [float(mean) for mean in (sums[high] - sums[low]) / (high - low)]


def line_chart(steps: Sequence[float], values: Sequence[float], label: str, dots: bool = False) -> Markup:
    """One series over training steps. Few measured values (`dots`) are joined as they are, many are smoothed.

    The value axis starts at 0 for a non-negative series and ends at the 99th percentile of a dense one.
    """
    top = max(values) if dots else float(np.percentile(values, CEILING))
    bottom = min(0.0, min(values))
    top = round_up(bottom, top if top > bottom else bottom + 1)
    x, y = Scale(0, max(steps), LEFT, WIDTH - RIGHT), Scale(bottom, top, HEIGHT - BOTTOM, TOP)
    parts = axes(nice_ticks(0, max(steps)), nice_ticks(bottom, top), x, y, "step")
    if dots:
        parts.append(_path(steps, values, x, y, "curve"))
        parts += [
            f'<circle class="dot" cx="{x(s)}" cy="{y(v)}" r="3.2"/>'
            for s, v in zip(steps, values, strict=True)
        ]
    else:
        parts.append(_path(steps, [min(value, top) for value in values], x, y, "faint"))
        parts.append(_path(steps, [min(value, top) for value in smooth(values)], x, y, "curve"))
    summary = f"{label}: {values[0]:.4g} at step {steps[0]:g}, {values[-1]:.4g} at step {steps[-1]:g}"
    return svg(parts, WIDTH, HEIGHT, summary)


def scatter_chart(
    points: Sequence[tuple[float, float, str]], x_label: str, y_label: str, summary: str
) -> Markup:
    """Points (x, y, title) on two equal axes from 0; below the diagonal, where y < x, they are marked."""
    size = 380
    top = max([max(x, y) for x, y, _ in points] or [1.0]) * 1.06 or 1.0
    x, y = Scale(0, top, LEFT, size - RIGHT), Scale(0, top, size - BOTTOM - 12, TOP)
    ticks = nice_ticks(0, top, 5)
    parts = axes(ticks, ticks, x, y, "", size, size - 12)
    parts.append(f'<path class="shade" d="M{x(0)} {y(0)}L{x(top)} {y(top)}L{x(top)} {y(0)}Z"/>')
    parts.append(f'<path class="diagonal" d="M{x(0)} {y(0)}L{x(top)} {y(top)}"/>')
    for across, up, title in points:
        style = "point won" if up < across else "point"
        circle = f'<circle class="{style}" cx="{x(across)}" cy="{y(up)}" r="4.5">'
        parts.append(f"{circle}<title>{escape(title)}</title></circle>")
    parts.append(f'<text class="label" x="{(LEFT + size) / 2:g}" y="{size - 6}">{escape(x_label)}</text>')
    middle = (size - BOTTOM) / 2
    turned = f'transform="rotate(-90 12 {middle:g})"'
    parts.append(f'<text class="label" x="12" y="{middle:g}" {turned}>{escape(y_label)}</text>')
    return svg(parts, size, size, summary)


class Scale:
    """A linear map from values to pixels, to a tenth of a pixel, so that the text stays small and stable."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.span, self.start, self.end = low, (high - low) or 1.0, start, end

    def __call__(self, value: float) -> str:
        return f"{self.start + (value - self.low) / self.span * (self.end - self.start):.1f}"


def axes(
    across: Sequence[float],
    up: Sequence[float],
    x: Scale,
    y: Scale,
    name: str,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> list[str]:
    """Grid lines and numbers of both axes; `name` is written along the lower one."""
    base = height - BOTTOM
    parts = [f'<path class="grid" d="M{LEFT} {y(tick)}H{width - RIGHT}"/>' for tick in up]
    parts += [
        f'<text class="tick up" x="{LEFT - 6}" y="{y(tick)}" dy="0.32em">{tick:g}</text>' for tick in up
    ]
    parts += [f'<text class="tick" x="{x(tick)}" y="{base + 16}">{tick:g}</text>' for tick in across]
    if name:
        parts.append(f'<text class="tick along" x="{LEFT + 2}" y="{base - 5}">{escape(name)} →</text>')
    return parts


def _path(steps: Sequence[float], values: Sequence[float], x: Scale, y: Scale, style: str) -> str:
    points = "L".join(f"{x(step)} {y(value)}" for step, value in zip(steps, values, strict=True))
    return f'<path class="{style}" d="M{points}"/>'


def svg(parts: Sequence[str], width: int, height: int, summary: str) -> Markup:
    """Parts as one picture that a screen reader calls by its summary."""
    head = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(summary)}">'
    return Markup(head + "".join(parts) + "</svg>")
