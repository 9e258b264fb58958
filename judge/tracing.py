"""Scenes to pixels by Mitsuba 3, with its scalar variant, which needs neither LLVM nor a GPU."""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.files import InputError, warn
from judge.shapes import Floats, Scene, Strands, Surface

DISTANCE, REACH = 6.0, 1.3  # of the camera; half the height of what it sees in the subject's plane

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """Camera and light of a scene.

    Size in pixels; the lens's radius, and where it is sharp, from the origin away from the camera, in scene units;
    magnification; a panorama, its turn about y in radians, and what its light is multiplied by.
    """

    width: int
    height: int
    aperture: float
    focus: float
    zoom: float
    panorama: Path
    yaw: float
    brightness: float


def renderer() -> Any:
    """Mitsuba with its variant set. Raises InputError where it is not installed."""
    try:
        import mitsuba
    except ImportError:
        raise InputError(
            "Mitsuba is not installed, which renders the judge's scenes; pip install 'erkd[judge]'"
        ) from None
    mitsuba.set_variant("scalar_rgb")
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def read_panorama(path: Path) -> Pixels:
    """A panorama H x 2H x 3 in linear light, without the negative values and spikes of its compression."""
    mitsuba = renderer()
    bitmap = mitsuba.Bitmap(str(path)).convert(mitsuba.Bitmap.PixelFormat.RGB, mitsuba.Struct.Type.Float32, False)
    stored = np.nan_to_num(np.array(bitmap))
    return np.clip(stored, 0, 3000 * float(np.median(stored)))


def trace(scene: Scene, view: View, seed: int) -> tuple[Pixels, Pixels]:
    """Light of the subject times its coverage, H x W x 3 in linear light, and its coverage, H x W in [0, 1].

    Both are averages over the same light paths around each pixel (a Gaussian of half a pixel, as of a lens), so
    that `light + (1 - coverage) * background` is what a camera would see. A path counts as covered when it meets
    anything but a hole or clear glass.
    """
    rgba = _render(scene, view, seed, scene.samples, "volpath" if scene.null else "path")
    if broken := int(np.isnan(rgba).any(-1).sum()):
        warn(f"{scene.kind} {scene.variant}: {broken} pixels are no numbers and become black")
    return without_lost_paths(np.nan_to_num(rgba[..., :3]), np.clip(np.nan_to_num(rgba[..., 3]), 0, 1))


def without_lost_paths(light: Pixels, coverage: Pixels) -> tuple[Pixels, Pixels]:
    """Pixels that are all but covered amid covered ones, from the paths that were not lost.

    Mitsuba drops a path whose sample of a fibre's lobes fails, as if it had met nothing: specks where no hole is.
    """
    around = cv2.morphologyEx(coverage, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    lost = (coverage > 0.85) & (around > 0.999)
    return np.where(lost[..., None], light / np.maximum(coverage, 0.85)[..., None], light), np.where(
        lost, 1, coverage
    )


def trace_uncertain(scene: Scene, view: View, seed: int) -> Pixels | None:
    """Coverage of what trimaps leave wholly unknown, as if nothing stood before it; None without any."""
    surfaces = [surface for surface in scene.surfaces if surface.uncertain]
    if not surfaces:
        return None
    # two bounces: with one, Mitsuba ends a path before it has seen whether it met a hole, and covers nothing
    alone = replace(scene, surfaces=surfaces, strands=[], bounces=2, null=False)
    return _render(alone, view, seed, 9, "path")[..., 3]


def _render(scene: Scene, view: View, seed: int, samples: int, integrator: str) -> Pixels:
    mitsuba = renderer()
    with tempfile.TemporaryDirectory() as folder:
        described: dict[str, Any] = {
            "type": "scene",
            "integrator": {"type": integrator, "max_depth": scene.bounces, "rr_depth": 5, "hide_emitters": True},
            "sensor": camera(mitsuba, view, samples),
            "light": lighting(mitsuba, view),
        }
        for index, strands in enumerate(scene.strands):
            described[f"strands{index}"] = _curves(mitsuba, strands, Path(folder) / f"{index}.txt")
        for index, surface in enumerate(scene.surfaces):
            described[f"surface{index}"] = _mesh(mitsuba, surface, f"surface{index}")
        loaded = mitsuba.load_dict(described, parallel=False)
        return np.array(mitsuba.render(loaded, seed=seed), np.float32)


def camera(mitsuba: Any, view: View, samples: int) -> dict[str, Any]:
    """The camera that looks at the subject along -z, as Mitsuba describes one."""
    to_world = mitsuba.ScalarTransform4f().look_at([0, 0, DISTANCE], [0, 0, 0], [0, 1, 0])
    lens = {"type": "perspective"}
    if view.aperture > 0:
        lens = {"type": "thinlens", "aperture_radius": view.aperture, "focus_distance": DISTANCE + view.focus}  # type: ignore[dict-item]
    reach = REACH if view.height <= view.width else REACH * view.height / view.width
    return {
        **lens,
        "fov": math.degrees(2 * math.atan(reach / view.zoom / DISTANCE)),
        "fov_axis": "y",
        "to_world": to_world,
        "sampler": {"type": "multijitter", "sample_count": samples},
        "film": {
            "type": "hdrfilm",
            "width": view.width,
            "height": view.height,
            "rfilter": {"type": "gaussian", "stddev": 0.5},
            "pixel_format": "rgba",
            "component_format": "float32",
        },
    }


def lighting(mitsuba: Any, view: View) -> dict[str, Any]:
    """A panorama around the scene."""
    turn = mitsuba.ScalarTransform4f().rotate([0, 1, 0], math.degrees(view.yaw))
    bitmap = mitsuba.Bitmap(read_panorama(view.panorama))
    return {"type": "envmap", "bitmap": bitmap, "scale": view.brightness, "to_world": turn}


def _material(mitsuba: Any, described: Any) -> Any:
    """A material's dictionary with triples and arrays as Mitsuba takes them."""
    if isinstance(described, dict):
        return {key: _material(mitsuba, value) for key, value in described.items()}
    if isinstance(described, tuple):
        return {"type": "rgb", "value": [float(value) for value in described]}
    if isinstance(described, np.ndarray):
        bitmap = mitsuba.Bitmap(np.ascontiguousarray(described, np.float32))
        return {"type": "bitmap", "bitmap": bitmap, "raw": True, "wrap_mode": "clamp"}
    return described


def _mesh(mitsuba: Any, surface: Surface, name: str) -> Any:
    properties = mitsuba.Properties()
    properties["mesh_bsdf"] = mitsuba.load_dict(_material(mitsuba, surface.material))
    mesh = mitsuba.Mesh(
        name,
        vertex_count=len(surface.vertices),
        face_count=len(surface.faces),
        has_vertex_normals=surface.smooth,
        has_vertex_texcoords=True,
        props=properties,
    )
    held = mitsuba.traverse(mesh)
    held["vertex_positions"] = np.ravel(surface.vertices).astype(np.float32)
    held["vertex_texcoords"] = np.ravel(surface.uv).astype(np.float32)
    held["faces"] = np.ravel(surface.faces).astype(np.uint32)
    held.update()
    return mesh


def _curves(mitsuba: Any, strands: Strands, file: Path) -> dict[str, Any]:
    rows: Floats = np.concatenate([strands.points, strands.radii[..., None]], -1)
    # Mitsuba 3.9 finds a hit's segment by a float32 in [0, 1] over all of them, and reads beyond the last one where
    # that rounds to 1 (a crash): a last strand that nothing hits
    rows = np.concatenate([rows, rows[-1:] * [1, 1, 1, 1e-5]])
    curve = "%.5g %.5g %.5g %.5g\n" * rows.shape[1] + "\n"
    file.write_text((curve * len(rows)) % tuple(rows.ravel().tolist()), encoding="ascii")
    return {"type": "bsplinecurve", "filename": str(file), "bsdf": _material(mitsuba, strands.material)}
