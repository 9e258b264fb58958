"""From the scene to the set: backgrounds, trimaps, files, and one scene by Mitsuba where that is installed."""

import csv
import importlib.util
import sys

import numpy as np
import pytest

from erkd.data.sources.alphamatting import list_samples
from erkd.data.sources.photographs import read_photographs
from erkd.io.files import InputError, sha256
from erkd.io.images import load_alpha, load_cutout, load_image, load_trimap, save_image
from judge import render
from judge.backgrounds import disc_blur, list_plates, photograph, to_linear, to_srgb, view_into
from judge.layout import draw_trimaps, paths, write_scene
from judge.tracing import (
    DISTANCE,
    REACH,
    View,
    camera,
    lighting,
    read_panorama,
    renderer,
    trace,
    trace_uncertain,
    without_lost_paths,
)
from tests.support import ROOT


def disc(radius, side=100):
    y, x = np.mgrid[:side, :side] - side // 2
    return (np.hypot(x, y) < radius).astype(np.float32)


def test_light_is_coded_as_srgb_is():
    values = np.linspace(0, 1, 11)
    np.testing.assert_allclose(to_srgb(to_linear(values)), values, atol=1e-6)
    assert to_linear(np.array([0.5]))[0] == pytest.approx(0.2140, abs=1e-4)
    assert to_srgb(np.array([7.0]))[0] == 1


def test_a_highlight_becomes_a_disc_and_light_stays():
    point = np.zeros((41, 41, 3), np.float32)
    point[20, 20] = 100
    blurred = disc_blur(point, 6)
    assert blurred.sum() == pytest.approx(300, rel=1e-4)
    assert blurred[20, 20, 0] == pytest.approx(blurred[20, 24, 0])  # flat, no Gaussian
    assert abs(blurred[20, 28, 0]) < 1e-9
    assert disc_blur(point, 0.2) is point


def test_a_view_looks_where_the_light_comes_from():
    """A panorama's first column lies at -z, where the camera looks; turned, another does."""
    panorama = np.zeros((64, 128, 3), np.float32)
    panorama[:32] = 1  # the sky
    panorama[:, :4] = panorama[:, -4:] = 9  # what lies at -z
    seen = view_into(panorama, 40, 40, 0.0, 0.0, 1.0)
    assert seen[20, 20, 0] > 5
    panorama[:, 28:36] = 5
    assert view_into(panorama, 40, 40, np.pi / 2, 0.0, 1.0)[20, 20, 0] == pytest.approx(5, abs=0.1)
    assert view_into(panorama, 40, 40, np.pi, 0.0, 1.0)[5, 20, 0] == pytest.approx(1, abs=0.1)
    assert view_into(panorama, 40, 40, np.pi, 0.0, 1.0)[35, 20, 0] == pytest.approx(0, abs=0.1)


def test_a_photograph_fills_the_picture(tmp_path, rng):
    save_image(rng.random((30, 50, 3)), tmp_path / "small.png")
    assert photograph(tmp_path / "small.png", 64, 80, rng).shape == (80, 64, 3)


def test_plates_are_free_named_and_not_those_of_the_training():
    folder = ROOT / "judge/plates"
    with (folder / "plates.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    photographs, panoramas = list_plates(folder)
    assert sorted(rows) == sorted(path.name for path in (*photographs, *panoramas))
    assert len(photographs) >= 15
    assert len(panoramas) >= 8
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4e6
    for name, row in rows.items():
        assert row["licence"] in ("CC0-1.0", "LicenseRef-public-domain")
        assert row["sha256"] == sha256(folder / name)
        assert all(row[column] for column in ("author", "package", "path", "origin", "changes"))
    trained = {(row.package, row.path) for row in read_photographs(ROOT / "data/photographs")}
    assert not trained & {(row["package"], row["path"]) for row in rows.values()}


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(InputError, match="no photographs"):
        list_plates(tmp_path)


def test_trimaps_are_narrow_and_wide_and_leave_flat_things_unknown():
    alpha = disc(30)
    narrow, wide = draw_trimaps(alpha, None, porous=False)
    unknown = [(trimap == 0.5).sum() for trimap in (narrow, wide)]
    assert 2 * unknown[0] < unknown[1]
    for trimap in (narrow, wide):
        assert (alpha[trimap == 1] == 1).all()
        assert (alpha[trimap == 0] == 0).all()
        assert (trimap[50, 50], trimap[0, 0]) == (1, 0)
    thing = np.zeros_like(alpha)
    thing[45:60, 45:90] = 0.7
    for trimap in draw_trimaps(alpha, thing, porous=False):
        assert (trimap[thing > 0] == 0.5).all()
        assert trimap[30, 50] == 1  # the rest of the subject is known
    for trimap in draw_trimaps(np.maximum(np.roll(disc(3), -25, 0), thing > 0), thing, porous=False):
        assert (trimap[thing > 0] == 0.5).all()
        assert (trimap == 1).any()  # of what is left
    net = alpha * (np.arange(100) % 6 < 3)
    net[48:53, 20:80] = 1  # a bar
    wide = draw_trimaps(net, None, porous=True)[1]
    assert (wide[(disc(25) > 0) & (net < 1)] == 0.5).all()  # its holes too
    assert (wide[50, 22:78] == 1).all()  # the bar, and nothing else, is known to be foreground
    assert (wide[disc(40) - disc(35) > 0] < 1).all()


def test_lost_paths_are_left_out_and_holes_stay():
    light, coverage = np.full((20, 20, 3), 0.4, np.float32), np.ones((20, 20), np.float32)
    coverage[5, 5], light[5, 5] = 0.9, 0.36  # one path of ten
    coverage[12:18, 12:18] = 0.3
    mended, covered = without_lost_paths(light, coverage)
    assert covered[5, 5] == 1
    np.testing.assert_allclose(mended[5, 5], 0.4, atol=1e-6)
    assert (covered[12:18, 12:18] == coverage[12:18, 12:18]).all()


def test_a_set_is_what_evaluate_takes(tmp_path, rng):
    image, alpha = rng.random((40, 50, 3)).astype(np.float32), disc(15, 50)[:40]
    for name in ("a", "b"):
        write_scene(tmp_path, name, image, np.dstack([image, alpha]), alpha, draw_trimaps(alpha, None, False))
    samples = list_samples(tmp_path)
    assert [sample.sample_id for sample in samples] == ["a-Trimap1", "b-Trimap1", "a-Trimap2", "b-Trimap2"]
    assert load_cutout(paths(tmp_path, "a")["cutout"])[1].shape == (40, 50)


def test_without_mitsuba_the_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    monkeypatch.setattr(sys, "argv", ["judge.render", "--out", str(tmp_path), "--scenes", "1", "--side", "32"])
    with pytest.raises(SystemExit) as ended:
        render.main()
    assert ended.value.code == 2
    assert "erkd[judge]" in capsys.readouterr().err


@pytest.mark.nightly
@pytest.mark.skipif(
    not importlib.util.find_spec("mitsuba"), reason="Mitsuba is not installed: pip install 'erkd[judge]'"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scene_is_rendered_once_and_is_the_composite_of_its_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "plan", lambda count, seed: [render.Plan("flag", "flat", "flag", seed)])
    monkeypatch.setattr(sys, "argv", ["judge.render", "--out", str(tmp_path), "--side", "32", "--samples", "0.1"])
    render.main()
    files = paths(tmp_path, "flag")
    image, alpha = load_image(files["image"]), load_alpha(files["alpha"])
    foreground, same = load_cutout(files["cutout"])
    np.testing.assert_array_equal(alpha, same)
    assert 0.02 < alpha.mean() < 0.9
    planned = render.Plan("flag", "flat", "flag", 7)
    background = render.stage(planned, render.PLATES, 32)[2]
    made = to_srgb(alpha[..., None] * to_linear(foreground) + (1 - alpha[..., None]) * background)
    unclipped = (foreground < 1).all(-1)
    assert np.abs(made - image)[unclipped].max() < 0.03
    narrow = load_trimap(files["Trimap1"])
    assert (narrow[alpha > 0] > 0).all()
    uncertain = trace_uncertain(*render.stage(planned, render.PLATES, 32)[:2], 1)
    assert (uncertain > 0.9).sum() > 15
    assert (narrow[uncertain > 0.9] == 0.5).all()
    stamp = files["alpha"].stat().st_mtime_ns
    render.main()
    assert files["alpha"].stat().st_mtime_ns == stamp
    scene, view, _ = render.stage(planned, render.PLATES, 32)
    light, coverage = trace(scene, view, 1)
    again = trace(scene, view, 1)
    np.testing.assert_array_equal(light, again[0])
    np.testing.assert_array_equal(coverage, again[1])
    assert renderer().variant() == "scalar_rgb"


@pytest.mark.nightly
@pytest.mark.skipif(
    not importlib.util.find_spec("mitsuba"), reason="Mitsuba is not installed: pip install 'erkd[judge]'"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_background_is_what_lights_the_scene():
    """Mitsuba's view of a panorama is the view that becomes a background."""
    mitsuba = renderer()
    view = View(48, 48, 0, 0, 0.4, render.PLATES / "city.exr", 0.8, 1.0)
    parts = {"sensor": camera(mitsuba, view, 9), "light": lighting(mitsuba, view), "integrator": {"type": "path"}}
    seen = np.array(mitsuba.render(mitsuba.load_dict({"type": "scene", **parts})))[..., :3]
    drawn = view_into(read_panorama(view.panorama), 48, 48, 0.8, 0.0, 2 * np.arctan(REACH / 0.4 / DISTANCE))
    assert np.corrcoef(np.log1p(seen).ravel(), np.log1p(drawn).ravel())[0, 1] > 0.98
