"""Flat, opaque, printed things: flags, cards, labels, signs, boxes; alone, held, or hanging on a subject.

A thing is a sheet: the unit square (u to the right, v down) under a homography, its v shifted by waves along u.
"""

import colorsys
import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.data.synth.canvas import COLOUR_SCALE, Drawing, Sketch, average, over, unit_of
from erkd.data.synth.noise import fractal, log_uniform, pixels, ramp
from erkd.data.synth.shapes import body_field, ellipse_field, solid_body
from erkd.data.synth.strands import Points, Strands, draw, paint
from erkd.data.synth.textures import colour_name, fabric_texture, near, picture_patch, random_colour
from erkd.io.images import Array

SKINS = ((0.95, 0.78, 0.66), (0.8, 0.58, 0.44), (0.55, 0.36, 0.25), (0.34, 0.21, 0.14))
PRINT = 256  # longer side of a printed pattern, pixels
LETTERS = "ABCDEFGHIKLMNOPRSTUWXYZabcdefghiklmnoprstuvz0123456789"
OUTLINES = {  # u, v of the corners
    "square": ((0, 0), (1, 0), (1, 1), (0, 1)),
    "pennant": ((0, 0), (1, 0.5), (0, 1)),
    "swallowtail": ((0, 0), (1, 0), (0.72, 0.5), (1, 1), (0, 1)),
    "tag": ((0, 0.3), (0.15, 0), (1, 0), (1, 1), (0.15, 1), (0, 0.7)),
}


def _deep_colour(rng: np.random.Generator) -> Array:
    """A dark and saturated colour."""
    return np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.55, 1), rng.uniform(0.06, 0.4)), np.float32)


def _palette(rng: np.random.Generator, picture: Array | None) -> list[Array]:
    """A ground and three inks; grounds are deep, of the scenery's colours, or any; one ink often is white."""
    choice = rng.random()
    if choice < 0.4:
        ground = _deep_colour(rng)
    elif choice < 0.7 and picture is not None:  # of a scene like those of the backgrounds
        ground = picture[int(rng.integers(picture.shape[0])), int(rng.integers(picture.shape[1]))]
    else:
        ground = random_colour(rng)
    inks = [_deep_colour(rng) if rng.random() < 0.5 else random_colour(rng) for _ in range(3)]
    if rng.random() < 0.6:
        inks[0] = near(rng, (0.9, 0.89, 0.86), 0.08)
    return [np.asarray(ground, np.float32), *inks]


def _star(centre: Points, radius: float, points: int, turn: float) -> Points:
    angles = turn + np.pi * np.arange(2 * points) / points
    reach = radius * np.where(np.arange(2 * points) % 2, 0.4, 1.0)[:, None]
    return np.asarray(centre + reach * np.stack([np.sin(angles), -np.cos(angles)], axis=1))


Ink = list[float]  # RGB of 0 to 255
Print = NDArray[np.uint8]


def _fill(sheet: Print, polygon: Points, ink: Ink) -> None:
    cv2.fillPoly(sheet, [np.rint(polygon * 16).astype(np.int32)], ink, cv2.LINE_AA, 4)


def _stripes(rng: np.random.Generator, sheet: Print, inks: list[Ink]) -> None:
    count, vertical = int(rng.choice([2, 3, 3, 3, 5, 7, 13])), rng.random() < 0.4
    order = rng.permutation(len(inks))[: 3 if rng.random() < 0.5 else 2]
    cuts = np.linspace(0, sheet.shape[1 if vertical else 0], count + 1).round().astype(int)
    for index in range(count):
        band = slice(cuts[index], cuts[index + 1])
        sheet[(slice(None), band) if vertical else band] = inks[order[index % len(order)]]


def _emblem(rng: np.random.Generator, sheet: Print, inks: list[Ink]) -> None:
    """A star, ring, cross or triangle, and at times a canton of small stars."""
    height, width = sheet.shape[:2]
    centre = np.asarray([width * rng.uniform(0.25, 0.6), height * 0.5])
    radius, kind = height * rng.uniform(0.15, 0.4), rng.integers(4)
    if kind == 0:
        _fill(sheet, _star(centre, radius, int(rng.integers(4, 9)), rng.uniform(0, 0.3)), inks[2])
    elif kind == 1:
        for ink, share in ((inks[2], 1.0), (inks[3], rng.uniform(0.3, 0.85))):
            cv2.circle(sheet, centre.astype(int).tolist(), int(radius * share), ink, -1, cv2.LINE_AA)
    elif kind == 2:
        bar, (x, y) = int(height * rng.uniform(0.05, 0.14)), centre.astype(int)
        sheet[:, x - bar : x + bar] = inks[1]
        sheet[y - bar : y + bar] = inks[1]
    else:
        _fill(sheet, np.asarray([(0, 0), centre, (0, height)]), inks[2])
    if rng.random() < 0.3:
        sheet[: height // 2, : width * 2 // 5] = inks[3]
        for place in np.ndindex(3, 4):
            at = np.asarray([width, height]) * (0.06 + 0.095 * place[1], 0.09 + 0.16 * place[0])
            _fill(sheet, _star(at, height * 0.05, 5, 0.0), inks[1])


def _lettering(rng: np.random.Generator, sheet: Print, inks: list[Ink]) -> None:
    """A frame, headings, small print and a bar code, as on labels and boxes."""
    height, width = sheet.shape[:2]
    if rng.random() < 0.5:
        inset = int(rng.integers(3, 14))
        corner = (width - inset, height - inset)
        cv2.rectangle(sheet, (inset, inset), corner, inks[2], int(rng.integers(1, 6)), cv2.LINE_AA)
    y = height * rng.uniform(0.15, 0.3)
    while y < height * 0.93:
        scale = float(rng.choice([0.35, 0.5, 0.8, 1.6, 2.4], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
        words = "".join(rng.choice([*LETTERS, *"    "], int(rng.integers(3, 4 + round(30 / scale)))))
        at = (int(width * rng.uniform(0.03, 0.15)), int(y))
        broad = max(1, round(scale * rng.uniform(1, 2.5)))
        cv2.putText(
            sheet, words, at, int(rng.integers(0, 6)), scale, inks[int(rng.integers(1, 3))], broad, cv2.LINE_AA
        )
        y += 26 * scale + rng.uniform(2, 14)
    if rng.random() < 0.4:
        left, top = int(width * rng.uniform(0.05, 0.6)), int(height * rng.uniform(0.5, 0.75))
        bars = np.repeat(rng.random(28) < 0.5, rng.integers(1, 4, 28))[: width - left - 4]
        sheet[top : top + height // 6, left : left + len(bars)] = np.where(bars, 12, 242)[None, :, None]


def _print(rng: np.random.Generator, ratio: float, colours: list[Array], picture: Array | None) -> Array:
    """A printed sheet as high as `ratio` x its width, H x W x 3."""
    height, width = round(PRINT * ratio), PRINT
    inks = [(colour * 255).tolist() for colour in colours]
    sheet = np.empty((height, width, 3), np.uint8)
    sheet[:] = inks[0]
    kind = rng.choice(
        ["plain", "stripes", "emblem", "letters", "cloth", "picture"], p=[0.12, 0.22, 0.2, 0.22, 0.12, 0.12]
    )
    if kind == "stripes" or (kind == "emblem" and rng.random() < 0.4):
        _stripes(rng, sheet, inks)
    if kind == "emblem" or (kind == "stripes" and rng.random() < 0.4):
        _emblem(rng, sheet, inks)
    elif kind == "letters":
        _lettering(rng, sheet, inks)
    printed = sheet.astype(np.float32) / np.float32(255)
    if kind == "cloth":
        printed = fabric_texture(rng, height, width) * rng.uniform(0.2, 0.6) + printed * rng.uniform(0.3, 0.6)
    elif kind == "picture" and picture is not None:
        margin = int(rng.choice([0, 0, 12]))
        inner = picture_patch(rng, picture, height - 2 * margin, width - 2 * margin)
        printed[margin : height - margin, margin : width - margin] = inner
    return np.asarray(np.clip(printed, 0, 1), np.float32)


@dataclass(frozen=True)
class Sheet:
    """Where a sheet lies: corners in pixels (4 x 2: u, v = 00, 10, 11, 01), waves and outline."""

    corners: Points
    wave: tuple[float, float, float, float]  # amplitude in v, turns along u, phase, growth towards u = 1
    outline: str

    def shift(self, u: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """How far v is shifted at u, and the derivative of that."""
        amplitude, turns, phase, growth = self.wave
        size, angle = amplitude * (1 - growth + growth * u), 2 * np.pi * turns * (u + 0.15 * u**2) + phase
        speed = 2 * np.pi * turns * (1 + 0.3 * u)
        return size * np.sin(angle), size * speed * np.cos(angle) + amplitude * growth * np.sin(angle)

    def matrix(self) -> Array:
        """The homography from u, v to pixels."""
        square = np.asarray([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
        return np.asarray(cv2.getPerspectiveTransform(square, self.corners.astype(np.float32)))

    def polygon(self) -> Points:
        """Its outline in pixels, N x 2."""
        corners = np.asarray(OUTLINES[self.outline], np.float64)
        steps = np.linspace(0, 1, 25)[:-1, None]
        dense = np.concatenate([a + steps * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
        dense[:, 1] += self.shift(dense[:, 0])[0]
        return np.asarray(cv2.perspectiveTransform(dense[None], self.matrix())[0], np.float64)

    def place(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
        """u, v of pixel positions."""
        inverse = np.linalg.inv(self.matrix())
        depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
        depth = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        u = ((inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) / depth).astype(np.float32)
        v = ((inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) / depth).astype(np.float32)
        return u, np.asarray(v - self.shift(np.clip(u, 0, 1))[0], np.float32)


def paint_sheet(
    rng: np.random.Generator, sheet: Sheet, printed: Array, height: int, width: int
) -> tuple[Array, Array]:
    """A sheet's colours and alpha: its print, lit along the waves, with folds and a sheen."""
    polygon = sheet.polygon()
    sketch = Sketch(np.zeros((height, width, 3), np.float32))
    sketch.fill(polygon, np.full(3, 255.0))
    alpha = average(sketch.coverage, height, width)
    x, y = pixels(height * COLOUR_SCALE, width * COLOUR_SCALE)
    u, v = sheet.place(x / COLOUR_SCALE, y / COLOUR_SCALE)
    rows, columns = printed.shape[:2]
    read = cv2.remap(printed, u * columns - 0.5, v * rows - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colours = cv2.resize(read, (width, height), interpolation=cv2.INTER_AREA)
    u, v = u[::COLOUR_SCALE, ::COLOUR_SCALE], v[::COLOUR_SCALE, ::COLOUR_SCALE]
    slope = sheet.shift(np.clip(u, 0, 1))[1]
    folds = 0.25 * fractal(rng, height, width, rng.uniform(2, 8), 3, 0.4) if sheet.wave[0] > 0.02 else 0.0
    light = 1 + rng.uniform(0.15, 0.5) * np.tanh((slope + folds) * rng.choice([-1, 1]))
    light = light * (1 + rng.uniform(-0.2, 0.2) * (u - 0.5) + rng.uniform(-0.2, 0.2) * (v - 0.5))
    sheen = rng.choice([0.0, 0.15, 0.5], p=[0.6, 0.25, 0.15]) * np.exp(-(((slope - rng.normal(0, 0.5)) / 0.25) ** 2))
    sheen = sheen * ramp(u + rng.uniform(-0.6, 0.6) * v, 0.2, 0.8)
    lit = colours * np.clip(light, 0.25, 1.5)[:, :, None]
    lit = lit + np.clip(sheen, 0, 1)[:, :, None] * (1 - np.clip(lit, 0, 1))
    grain = 1 + rng.normal(0, rng.uniform(0.005, 0.03), (height, width, 1)).astype(np.float32)
    return np.clip(lit * grain, 0, 1).astype(np.float32), alpha


Painted = tuple[Array, Array]  # colours H x W x 3 and alpha H x W


@dataclass(frozen=True)
class Spot:
    """Where a thing is put: the middle of its first side (x, y), its direction, and its length in pixels."""

    at: Points
    angle: float
    size: float
    shape: tuple[int, int]  # of the image

    def along(self, distance: float, turn: float = 0.0) -> Points:
        """The point at a distance, in sizes, in its direction turned by `turn`."""
        angle = self.angle + turn
        return np.asarray(self.at + distance * self.size * np.asarray([math.cos(angle), math.sin(angle)]))


def _corners(rng: np.random.Generator, spot: Spot, ratio: float, tilt: float) -> Points:
    """Corners of a sheet `ratio` x as broad as long, in a perspective of strength `tilt`."""
    ahead, aside = spot.along(1) - spot.at, (spot.along(1, np.pi / 2) - spot.at) * ratio / 2
    far = 1 + tilt * rng.uniform(-0.3, 0.3)
    first, last = spot.at, spot.at + ahead
    corners = np.stack([first - aside, last - far * aside, last + far * aside, first + aside])
    return np.asarray(corners + rng.normal(0, 0.03 * tilt * spot.size * ratio, (4, 2)))


def _cloth(rng: np.random.Generator, spot: Spot, picture: Array | None) -> tuple[Painted, Array]:
    """A waving flag or pennant, and its mean colour."""
    ratio = rng.uniform(0.5, 0.85)
    outline = str(rng.choice(["square", "pennant", "swallowtail"], p=[0.7, 0.18, 0.12]))
    wave = (log_uniform(rng, 0.01, 0.14), rng.uniform(0.5, 2), rng.uniform(0, 6.3), rng.uniform(0.2, 1))
    printed = _print(rng, ratio, _palette(rng, picture), picture)
    sheet = Sheet(_corners(rng, spot, ratio, 1.0), wave, outline)
    return paint_sheet(rng, sheet, printed, *spot.shape), printed.mean(axis=(0, 1))


def _flag(rng: np.random.Generator, spot: Spot, picture: Array | None) -> tuple[Painted, Array]:
    """A flag, mostly on a stick that starts at the spot."""
    if rng.random() < 0.3:
        return _cloth(rng, spot, picture)
    pole = replace(spot, angle=-np.pi / 2 + rng.normal(0, 0.25))
    length = min(rng.uniform(0.9, 1.7), max(0.7, 0.95 * spot.at[1] / spot.size))  # mostly inside the image
    inwards = spot.at[0] < spot.shape[1] / 2
    side = (0.0 if inwards == (rng.random() < 0.75) else np.pi) + rng.normal(0, 0.2)
    cloth, colour = _cloth(rng, replace(spot, at=pole.along(length - 0.4), angle=side), picture)
    return over(_stick(rng, spot.at, pole.along(length), spot), cloth), colour


def _stick(rng: np.random.Generator, foot: Points, tip: Points, spot: Spot) -> Painted:
    """A round stick from `foot` to `tip`, lighter along one side."""
    colour = near(rng, (0.5, 0.38, 0.25) if rng.random() < 0.5 else (0.7, 0.7, 0.7), 0.4)[None]
    thick = max(1.0, spot.size * rng.uniform(0.015, 0.06))
    sketch = Sketch(np.broadcast_to(0.7 * colour, (*spot.shape, 3)).astype(np.float32))
    path = np.linspace(foot, tip, 6)[None]
    draw(rng, Strands(path, np.asarray([thick]), 0.7 * colour), sketch, 1)
    lit = np.clip(1.3 * colour, 0, 1)
    paint(rng, Strands(path + 0.15 * thick, np.asarray([0.5 * thick]), lit), sketch.colours, 1)
    return sketch.averaged()


def _card(rng: np.random.Generator, spot: Spot, picture: Array | None) -> tuple[Painted, Array]:
    """A stiff card, label or tag, at times bent a little; or a box that shows two or three sides."""
    ratio, colours = rng.uniform(0.4, 1.2), _palette(rng, picture)
    printed = _print(rng, ratio, colours, picture)
    bend = (rng.uniform(0, 0.04), rng.uniform(0.2, 0.5), rng.uniform(0, 6.3), 0.0)
    front = Sheet(_corners(rng, spot, ratio, 1.5), bend, str(rng.choice(["square", "tag"], p=[0.85, 0.15])))
    is_box = rng.random() < 0.35
    if is_box:
        front = Sheet(front.corners, (0.0, 1.0, 0.0, 0.0), "square")
    painted = paint_sheet(rng, front, printed, *spot.shape)
    if is_box:
        depth = spot.size * rng.uniform(0.15, 0.5) * np.asarray([rng.choice([-1, 1]) * rng.uniform(0.3, 1), -0.6])
        middle = front.corners.mean(axis=0)
        for one, other in zip(front.corners, np.roll(front.corners, -1, axis=0), strict=True):
            if ((one + other) / 2 - middle) @ depth > 0:  # this side is seen
                side = replace(front, corners=np.stack([one, other, other + depth, one + depth]))
                pattern = _print(rng, 0.5, colours, picture) * np.float32(rng.uniform(0.35, 1.0))
                painted = over(painted, paint_sheet(rng, side, pattern, *spot.shape))
    return painted, printed.mean(axis=(0, 1))


def _hand(rng: np.random.Generator, spot: Spot) -> Painted:
    """A fist or paw around a spot, and its arm to the lower border."""
    unit = unit_of(*spot.shape)
    x, y = (spot.at - np.asarray(spot.shape[::-1]) / 2) / unit
    palm, lean = spot.size / unit * rng.uniform(0.1, 0.3) + 0.02, rng.uniform(-0.3, 0.3)
    parts = [(x, y, palm, palm * 0.85, 0.0), (x + lean * 0.5, y + 0.5, palm * 0.75, 0.5, -lean)]
    parts += [(x + palm * 0.5, y + (k - 1.5) * palm * 0.4, palm * 0.6, palm * 0.24, 0.2) for k in range(4)]
    colours, alpha = solid_body(rng, ellipse_field(parts, *spot.shape, 0.004), None)
    if rng.random() < 0.6:
        skin = np.asarray(SKINS[rng.integers(len(SKINS))], np.float32)
        colours = np.clip(skin * (0.4 + 0.8 * colours.mean(axis=2, keepdims=True)), 0, 1)
    return colours, alpha


_THINGS = {"flag": _flag, "card": _card}


def _held(rng: np.random.Generator, kind: str, height: int, width: int, picture: Array | None) -> Drawing:
    """A flag or card in a hand, on a body, or by itself."""
    if rng.random() < 0.5:
        body = Drawing(*solid_body(rng, body_field(rng, height, width), picture), "")
        drawing, name = _on(rng, body, kind, (0.2, 0.6), picture)
        return Drawing(drawing.foreground, drawing.alpha, f"a {name} {kind}")
    unit = unit_of(height, width)
    at = np.asarray([width * rng.uniform(0.25, 0.75), height * rng.uniform(0.55, 0.85)])
    angle = rng.choice([0.0, np.pi]) + rng.normal(0, 0.4) if kind == "flag" else -np.pi / 2 + rng.normal(0, 0.7)
    spot = Spot(at, angle, unit * log_uniform(rng, 0.2, 0.55), (height, width))
    thing, colour = _THINGS[kind](rng, spot, picture)
    if rng.random() < 0.8:
        thing = over(_hand(rng, spot), thing)
    return Drawing(*thing, f"a {colour_name(colour)} {kind}")


def flag(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A flag or pennant in a hand, leaning on a body, or by itself."""
    return _held(rng, "flag", height, width, picture)


def card(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A card, label, tag or box in a hand, leaning on a body, or by itself."""
    return _held(rng, "card", height, width, picture)


def attach(rng: np.random.Generator, drawing: Drawing, picture: Array | None) -> Drawing:
    """Attach a small flag or card to the outline of a drawing, in front of it or behind."""
    kind = str(rng.choice(list(_THINGS)))
    attached, colour = _on(rng, drawing, kind, (0.08, 0.35), picture)
    return Drawing(attached.foreground, attached.alpha, f"{drawing.phrase} with a {colour} {kind}")


def _on(
    rng: np.random.Generator, subject: Drawing, kind: str, sizes: tuple[float, float], picture: Array | None
) -> tuple[Drawing, str]:
    """A subject with a thing on its outline, of a length in `sizes` (in `unit_of`), and the thing's colour."""
    solid = (subject.alpha > 0.5).astype(np.uint8)
    rows, columns = np.nonzero(solid - cv2.erode(solid, np.ones((3, 3)), borderValue=1))
    height, width = solid.shape
    row, column, centre = height / 2, width / 2, (height / 2, width / 2)
    if len(rows):
        index = rng.integers(len(rows))
        row, column, centre = rows[index], columns[index], (rows.mean(), columns.mean())
    angle = math.atan2(row - centre[0], column - centre[1]) + rng.normal(0, 0.5)
    size = unit_of(height, width) * log_uniform(rng, *sizes)
    spot = Spot(np.asarray([column, row], np.float64), angle, size, (height, width))
    thing, colour = _THINGS[kind](rng, replace(spot, at=spot.along(-rng.uniform(0, 0.5))), picture)
    pair = (subject.foreground, subject.alpha)
    painted = over(thing, pair) if rng.random() < 0.65 else over(pair, thing)
    return Drawing(*painted, subject.phrase), colour_name(colour)
