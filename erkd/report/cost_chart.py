"""Accuracy against what it costs: a chart with a logarithmic axis, and a place for what costs nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from markupsafe import Markup, escape

from erkd.report.charts import BOTTOM, LEFT, RIGHT, TOP, Scale, nice_ticks, round_up, svg

WIDTH, HEIGHT = 360, 250
NOTHING_AT = 30  # how far right of the axis the place for 0 lies
LINE, LETTER = 13, 6.2  # labels keep this distance, and are so wide by letter


@dataclass(frozen=True)
class Point:
    """One method: what it costs, its error, and `kind`: student, other, or published (which has no label)."""

    name: str
    cost: float
    error: float
    kind: str


def cost_chart(points: Sequence[Point], cost_label: str, error_label: str, nothing: str = "none") -> Markup:
    """Error up from 0, cost across in powers of ten; costs of 0 stand apart at the left, above `nothing`."""
    paid = [point.cost for point in points if point.cost > 0]
    low, high = (
        (math.floor(math.log10(min(paid)) + 1e-9), math.ceil(math.log10(max(paid)) - 1e-9))
        if paid
        else (0, 1)
    )
    high = max(high, low + 1)
    free = any(point.cost == 0 for point in points)
    top = round_up(0, max([point.error for point in points] or [1.0]) * 1.05 or 1.0)
    base = HEIGHT - BOTTOM - 14
    start = LEFT + (2.7 * NOTHING_AT if free else NOTHING_AT / 2)
    x, y = Scale(low, high, start, WIDTH - RIGHT - 20), Scale(0, top, base, TOP)
    ticks = nice_ticks(0, top)
    parts = [f'<path class="grid" d="M{LEFT} {y(tick)}H{WIDTH - RIGHT}"/>' for tick in ticks]
    parts += [
        f'<text class="tick up" x="{LEFT - 6}" y="{y(tick)}" dy="0.32em">{tick:g}</text>' for tick in ticks
    ]
    parts += [
        f'<text class="tick" x="{x(power)}" y="{base + 16}">{10.0**power:g}</text>'
        for power in range(low, high + 1)
    ]
    if free:
        parts.append(f'<text class="tick" x="{LEFT + NOTHING_AT}" y="{base + 16}">{escape(nothing)}</text>')
    ordered = sorted(points, key=lambda point: (point.error, point.name))
    places = [
        (
            float(x(math.log10(point.cost))) if point.cost > 0 else float(LEFT + NOTHING_AT),
            float(y(point.error)),
        )
        for point in ordered
    ]
    for point, (across, up) in zip(ordered, places, strict=True):
        title = f"<title>{escape(point.name)}: {point.error:.2f} at {point.cost:.3g}</title>"
        radius = 3 if point.kind == "published" else 5
        parts.append(
            f'<circle class="point {point.kind}" cx="{across:g}" cy="{up:g}" r="{radius}">{title}</circle>'
        )
    taken = [(across - 6, across + 6, up) for across, up in places]
    for point, (across, up) in zip(ordered, places, strict=True):
        if point.kind != "published":
            parts.append(_label(point, across, up, taken))
    parts.append(
        f'<text class="label" x="{(LEFT + WIDTH) / 2:g}" y="{HEIGHT - 6}">{escape(cost_label)}</text>'
    )
    turned = f'transform="rotate(-90 12 {base / 2:g})"'
    parts.append(f'<text class="label" x="12" y="{base / 2:g}" {turned}>{escape(error_label)}</text>')
    said = "; ".join(f"{point.name} {point.error:.2f} at {point.cost:.3g}" for point in points)
    return svg(parts, WIDTH, HEIGHT, f"{error_label} against {cost_label}: {said}")


def _label(point: Point, across: float, up: float, taken: list[tuple[float, float, float]]) -> str:
    """A name beside its point, or where that is `taken` (from, to, height) nearby, joined by a line."""
    width = LETTER * len(point.name)
    sides = [(across + 9, across + 9 + width, "start"), (across - 9 - width, across - 9, "end")]
    inside = [side for side in sides if side[0] >= LEFT and side[1] <= WIDTH] or sides[:1]
    shifts = [*range(30), *range(-1, -30, -1)]  # upwards first, where there is room
    heights = [up - shift * LINE / 3 for shift in shifts if up - shift * LINE / 3 >= TOP]
    for height, (near, far, anchor) in product(heights, inside):  # noqa: B007
        if all(far < start or near > end or abs(height - other) >= LINE for start, end, other in taken):
            break
    taken.append((near, far, height))
    at, end = (near, near - 2) if anchor == "start" else (far, far + 2)
    line = f'<path class="leader" d="M{across:g} {up:g}L{end:g} {height:g}"/>' if height != up else ""
    return (
        f'{line}<text class="name {point.kind}" x="{at:g}" y="{height:g}" dy="0.32em" '
        f'text-anchor="{anchor}">{escape(point.name)}</text>'
    )
