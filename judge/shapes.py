"""What a scene is made of: surfaces, strands and their materials, as NumPy arrays that need no renderer.

Units: a subject fills about -1 to 1 in x and y, y is up, the camera looks along -z at the origin.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Material = dict[str, Any]  # a BSDF as Mitsuba's dictionaries say it; an array stands for a bitmap in linear light
Rotation = Floats  # 3 x 3

UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Surface:
    """A triangle mesh: `vertices` V x 3, `faces` T x 3 indices, `uv` V x 2 in [0, 1].

    An `uncertain` one is left wholly unknown by the trimap, as a person's quick strokes would leave it.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    uv: Floats
    material: Material
    smooth: bool = True
    uncertain: bool = False


@dataclass(frozen=True)
class Strands:
    """Curves of N x K x 3 control points (cubic B-splines) and N x K radii."""

    points: Floats
    radii: Floats
    material: Material


@dataclass(frozen=True)
class Scene:
    """A subject before nothing.

    `samples` per pixel (a square number); `bounces` of light; `null`: some materials let light pass straight
    through (glass, holes); `porous`: its trimaps close holes, so that a net is unknown as a whole.
    """

    kind: str
    variant: str
    surfaces: list[Surface] = field(default_factory=list)
    strands: list[Strands] = field(default_factory=list)
    samples: int = 36
    bounces: int = 6
    null: bool = False
    porous: bool = False


def diffuse(colour: Any) -> Material:
    """Matt on both sides; `colour` is a triple in linear light, or H x W x 3."""
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": colour}}


def plastic(colour: Any, roughness: float = 0.15) -> Material:
    """A matt ground under a clear coat."""
    return {"type": "twosided", "bsdf": {"type": "roughplastic", "diffuse_reflectance": colour, "alpha": roughness}}


def metal(name: str = "Al", roughness: float = 0.2, tint: Any = (1.0, 1.0, 1.0)) -> Material:
    """A rough conductor by its chemical sign."""
    conductor = {"type": "roughconductor", "material": name, "alpha": roughness, "specular_reflectance": tint}
    return {"type": "twosided", "bsdf": conductor}


def leafy(colour: Any, passing: float = 0.8) -> Material:
    """A thin sheet that also lets diffuse light through: leaves, petals, fine cloth. `passing` in 0 to 2."""
    return {
        "type": "principledthin",
        "base_color": colour,
        "roughness": 0.5,
        "diff_trans": passing,
        "spec_trans": 0.0,
    }


def hair(eumelanin: float, pheomelanin: float, roughness: float = 0.3) -> Material:
    """A fibre's R, TT and TRT lobes (Chiang et al., 2016); 0.1 of eumelanin is blond, 1.3 brown, 8 black."""
    return {
        "type": "hair",
        "eumelanin": eumelanin,
        "pheomelanin": pheomelanin,
        "longitudinal_roughness": roughness,
        "azimuthal_roughness": 0.35,
    }


def pierced(material: Material, opacity: Any) -> Material:
    """A material with holes: `opacity` is a number or H x W in [0, 1]."""
    return {"type": "mask", "opacity": opacity, "bsdf": material}


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Rotation:
    """Turn about y, then x, then z; radians."""
    cosines, sines = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cosines[0], 0, sines[0]], [0, 1, 0], [-sines[0], 0, cosines[0]]])
    about_x = np.array([[1, 0, 0], [0, cosines[1], -sines[1]], [0, sines[1], cosines[1]]])
    about_z = np.array([[cosines[2], -sines[2], 0], [sines[2], cosines[2], 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def unit(vectors: Floats) -> Floats:
    """Vectors ... x 3 at length 1; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


class Waves:
    """A smooth random field of vectors: a sum of sines, of about unit size. Called on ... x 3 points."""

    def __init__(self, rng: np.random.Generator, frequency: float, count: int = 12) -> None:
        self.waves = rng.normal(0, frequency, (count, 3))
        self.phases = rng.uniform(0, 2 * np.pi, (count, 3))
        self.count = count

    def __call__(self, points: Floats) -> Floats:
        angles = (points @ self.waves.T)[..., None] + self.phases
        return np.sin(angles).sum(axis=-2) * np.sqrt(2 / self.count)


def sheet(points: Floats, material: Material, **options: Any) -> Surface:
    """A surface through a grid of R x C x 3 points; u runs along columns, v up along rows.

    Its front is where columns run to the right and rows down.
    """
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    corners = [index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]]
    first, second, third, fourth = (corner.reshape(-1) for corner in corners)
    faces = np.concatenate([np.stack([first, third, second], 1), np.stack([first, fourth, third], 1)])
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(1, 0, rows))
    return Surface(points.reshape(-1, 3), faces, np.stack([u, v], -1).reshape(-1, 2), material, **options)


def ellipsoid(centre: Any, radii: Any, material: Material, turn: Rotation | None = None) -> Surface:
    """An ellipsoid with half axes `radii`."""
    # a hair short of the poles: a triangle without area has no normal
    theta, phi = np.meshgrid(np.linspace(0.02, np.pi - 0.02, 33), np.linspace(0, 2 * np.pi, 65), indexing="ij")
    points = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1) * radii
    return sheet((points @ turn.T if turn is not None else points) + centre, material)


def lathe(profile: Any, material: Material, sides: int = 96) -> Surface:
    """The solid of revolution about y of a profile K x 2 of radius and height."""
    outline = np.asarray(profile, float)
    phi = np.linspace(0, 2 * np.pi, sides + 1)
    radius, height = outline[:, :1], np.repeat(outline[:, 1:], sides + 1, 1)
    return sheet(np.stack([radius * np.cos(phi), height, radius * np.sin(phi)], -1), material)


def frames(path: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors across each point of a path K x 3, turning as little as can be."""
    along = unit(np.gradient(path, axis=0))
    side = np.empty_like(path)
    start = np.cross(along[0], UP if abs(along[0, 1]) < 0.9 else np.array([1.0, 0, 0]))
    for index, direction in enumerate(along):
        start = unit(start - direction * (start @ direction))
        side[index] = start
    return side, np.cross(along, side)


def tube(path: Floats, radius: Any, material: Material, sides: int = 12) -> Surface:
    """A round bar along a path K x 3; `radius` is a number or one for each point."""
    side, other = frames(path)
    phi = -np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    radii = np.broadcast_to(np.asarray(radius, float), len(path))[:, None, None]
    around = np.cos(phi) * side[:, None] + np.sin(phi) * other[:, None]
    return sheet(path[:, None] + radii * around, material)


def line(start: Any, end: Any, count: int = 8) -> Floats:
    """`count` points from `start` to `end`."""
    return np.linspace(np.asarray(start, float), np.asarray(end, float), count)


def circle(radius: float, count: int = 65) -> Floats:
    """A closed circle in the plane of x and y."""
    phi = np.linspace(0, 2 * np.pi, count)
    return np.stack([radius * np.cos(phi), radius * np.sin(phi), 0 * phi], -1)


def box(size: Any, material: Material, **options: Any) -> Surface:
    """A box about the origin with edge lengths `size`; each side shows the whole of a texture."""
    square = np.array([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    turns = [rotation(yaw) for yaw in np.arange(4) * np.pi / 2] + [rotation(0, x) for x in (np.pi / 2, -np.pi / 2)]
    vertices = np.concatenate([square @ turn.T for turn in turns]) * np.asarray(size) / 2
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * side for side in range(6)])
    uv = np.tile([[0.0, 0], [1, 0], [1, 1], [0, 1]], (6, 1))
    return Surface(vertices, faces, uv, material, smooth=False, **options)


def blobs(centres: Any, radii: Any, material: Material, cells: int = 56) -> Surface:
    """One smooth skin around balls that melt into each other: centres N x 3, radii N."""
    from skimage.measure import marching_cubes

    middle, radius = np.asarray(centres, float), np.asarray(radii, float)
    low, high = (middle - 1.6 * radius[:, None]).min(0), (middle + 1.6 * radius[:, None]).max(0)
    step = float((high - low).max()) / cells
    axes = [np.arange(low[axis], high[axis] + step, step) for axis in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    field = sum(
        np.exp(2.5 * (1 - ((grid - ball) ** 2).sum(-1) / size**2)) for ball, size in zip(middle, radius, strict=True)
    )
    vertices, faces, _, _ = marching_cubes(np.asarray(field), 1.0)
    vertices = vertices * step + low
    uv = (vertices[:, :2] - low[:2]) / (high - low)[:2]
    return Surface(vertices, faces.astype(np.int64)[:, ::-1], uv, material)


def merge(surfaces: list[Surface]) -> Surface:
    """Surfaces of one material as one."""
    offsets = np.cumsum([0, *(len(surface.vertices) for surface in surfaces[:-1])])
    return Surface(
        np.concatenate([surface.vertices for surface in surfaces]),
        np.concatenate([surface.faces + offset for surface, offset in zip(surfaces, offsets, strict=True)]),
        np.concatenate([surface.uv for surface in surfaces]),
        surfaces[0].material,
        surfaces[0].smooth,
        surfaces[0].uncertain,
    )


def scatter(surface: Surface, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """`count` random points of a surface, evenly by area, and its unit normals there."""
    corners = surface.vertices[surface.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    chosen = rng.choice(len(areas), count, p=areas / areas.sum())
    weights = rng.dirichlet([1, 1, 1], count)
    at_vertices = np.zeros_like(surface.vertices)
    for corner in range(3):
        np.add.at(at_vertices, surface.faces[:, corner], normals)
    smooth = unit(at_vertices)[surface.faces[chosen]]
    return (corners[chosen] * weights[..., None]).sum(1), unit((smooth * weights[..., None]).sum(1))


def moved(part: Any, turn: Rotation | None = None, offset: Any = (0.0, 0, 0), scale: float = 1.0) -> Any:
    """A surface or strands, scaled, turned, then shifted."""
    points = part.vertices if isinstance(part, Surface) else part.points
    made = scale * (points @ turn.T if turn is not None else points) + np.asarray(offset)
    if isinstance(part, Surface):
        return replace(part, vertices=made)
    return replace(part, points=made, radii=part.radii * scale)


def strand(path: Floats, radius: float, material: Material) -> Strands:
    """One even thread or wire along a path K x 3, or N of them along N x K x 3."""
    points = path[None] if path.ndim == 2 else path
    # a B-spline of uniform knots ends before its last control points: with one more, in line, it ends at the path's
    before, after = 2 * points[:, :1] - points[:, 1:2], 2 * points[:, -1:] - points[:, -2:-1]
    points = np.concatenate([before, points, after], 1)
    return Strands(points, np.full(points.shape[:2], radius), material)


def tapered(points: Floats, radius: float, material: Material, tip: float = 0.3) -> Strands:
    """Fibres N x K x 3 that thin to `tip` of their radius."""
    return Strands(points, np.tile(radius * np.linspace(1, tip, points.shape[1]), (len(points), 1)), material)
