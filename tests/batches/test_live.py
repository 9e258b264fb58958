"""Live batches: exact composites, aligned crops, the same on every call; trimaps equal on every device."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample

from erkd.batches import photometry
from erkd.batches.ahead import render_ahead
from erkd.batches.atlas import Atlas
from erkd.batches.live import LiveBatches, cut, over
from erkd.batches.trimaps import draw_strokes, erode, make_trimaps, plan_trimaps, trimaps_in_torch
from erkd.data.lens import Lens, defocus
from erkd.data.trimap_generation import Radii, _erode, trimap_from_radii
from erkd.io.files import InputError
from erkd.params import TrimapParams
from tests.support.training_set import CPU, disc, live_batches


@pytest.fixture
def live(tmp_path):
    return live_batches(tmp_path)


def test_shapes_ranges_and_shares(live):
    for step in range(3):
        batch = live[step]
        assert batch.image.shape == batch.foreground.shape == batch.background.shape == (4, 3, 64, 64)
        assert 0 <= batch.image.min() <= batch.image.max() <= 1
        assert set(batch.trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
        shares = sum(crops.share for crops in batch.crops)
        torch.testing.assert_close(shares, torch.ones_like(shares))
        torch.testing.assert_close(1 - batch.crops[-1].share, batch.alpha)
        assert (batch.alpha[batch.trimap == 1] > 0.98).all()
        assert (batch.alpha[batch.trimap == 0] < 0.02).all()


def with_share(live, **shares):
    live.distill = live.distill.model_copy(update=shares)
    return live


def test_without_camera_effects_the_image_is_the_composite(live, monkeypatch):
    monkeypatch.setattr(LiveBatches, "_camera_effects", lambda self, camera, image: image)
    batch = with_share(live, linear_light=0.0)[0]
    expected = batch.alpha * batch.foreground + (1 - batch.alpha) * batch.background
    torch.testing.assert_close(batch.image, expected)
    batch = with_share(live, linear_light=1.0)[0]
    mixed = (batch.alpha > 0.2) & (batch.alpha < 0.8)
    assert ((batch.image - expected) * mixed).max() > 0.01  # light mixed is brighter than values mixed
    assert ((batch.image - expected) * mixed).min() > -1e-4


def test_light_is_mixed_as_it_falls_and_merged_foregrounds_cover_as_both_do():
    white, black = torch.ones(3, 3, 1, 1), torch.zeros(3, 3, 1, 1)
    half, gamma = torch.full((3, 1, 1, 1), 0.5), torch.tensor([1.0, 2.0, 2.2])
    found = photometry.mix(white, half, black, gamma)[:, 0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.5, 0.5**0.5, 0.5 ** (1 / 2.2)]))
    beyond = torch.full((3, 1, 1, 1), 1 + 1e-6)  # as rounding has it
    assert photometry.mix(white, beyond, white, gamma).isfinite().all()
    first, second = torch.tensor([0.5, 1.0, 0.0]), torch.tensor([0.5, 0.7, 0.2])
    torch.testing.assert_close(sum(over(first, second)), 1 - (1 - first) * (1 - second))


def test_gloss_adds_highlights_to_foregrounds_alone(live):
    plain, lit_up = (with_share(live, highlights=share)[0] for share in (1e-9, 1.0))  # as many draws in both
    assert torch.equal(plain.alpha, lit_up.alpha)
    assert (lit_up.foreground >= plain.foreground - 1e-6).all()
    lit = (lit_up.foreground > plain.foreground + 1e-3).float().mean()
    assert 0.2 < lit < 0.7  # about half of the noise is positive; what is black or white stays


def test_a_lens_puts_backgrounds_alone_out_of_focus(live):
    sharp, soft = (with_share(live, defocus=share)[0] for share in (1e-9, 1.0))  # as many draws in both
    assert torch.equal(sharp.alpha, soft.alpha)
    assert torch.equal(sharp.foreground, soft.foreground)
    detail = [batch.background.diff(dim=3).abs().mean().item() for batch in (sharp, soft)]
    assert detail[1] < 0.5 * detail[0]  # stored as noise


@pytest.mark.parametrize(("radius", "closest"), [(2.5, 1e-5), (11.0, 0.05)])
def test_defocus_in_torch_is_that_of_the_data(rng, radius, closest):
    images = rng.random((2, 48, 48, 3), dtype=np.float32)
    lens = Lens(radius, 6, 0.3, 8.0)
    found = photometry.defocus(torch.from_numpy(images).permute(0, 3, 1, 2), [lens, None]).permute(0, 2, 3, 1)
    np.testing.assert_allclose(found[0], defocus(images[0], lens), atol=closest)  # reduced images differ slightly
    np.testing.assert_array_equal(found[1], images[1])


def test_flags_are_unknown_as_a_whole_and_others_are_not(live, monkeypatch):
    monkeypatch.setattr("erkd.batches.trimaps.STROKED", 0)
    live.trimap = TrimapParams(min_radius=1, max_radius=2, whole_object=0, whole_flat=0)
    batch = with_share(live, second_foreground=0.0)[0]
    live.trimap = TrimapParams(min_radius=1, max_radius=2, whole_object=0, whole_flat=1)
    assert torch.equal(live[0].trimap, batch.trimap)  # no flat layer in it
    live.layers.rows = [dataclasses.replace(row, material="flag") for row in live.rows]
    doubted = live[0].trimap
    hidden = (doubted != batch.trimap).flatten(1).any(1)
    assert hidden.any()
    assert (doubted[hidden][batch.alpha[hidden] > 0.01] == 0.5).all()
    assert (doubted[hidden] == 0).any()


def test_theta_finds_the_crop_in_its_layer(live, monkeypatch):
    monkeypatch.setattr("erkd.batches.plan.FINE", 0)  # no layer is halved
    crops = with_share(live, second_foreground=0.0)[1].crops[0]
    for i in range(4):
        layer, _ = live.layers[int(crops.index[i])]
        grid = affine_grid(crops.theta[i : i + 1], [1, 4, 64, 64], align_corners=False)
        piece = grid_sample(layer[None].float() / 255, grid, padding_mode="reflection", align_corners=False)
        torch.testing.assert_close(piece[:, 3:], crops.share[i : i + 1])
    assert {int(i) for i in crops.index} <= {0, 1}


def test_erosion_and_trimaps_in_torch_are_those_of_the_cpu(rng):
    region = disc(90, 90, 33) > 0.5
    region &= rng.random(region.shape) > 0.002
    radii = [1, 4, 9, 40]
    eroded = erode(torch.from_numpy(region).expand(4, -1, -1), radii).numpy()
    for found, radius in zip(eroded, radii, strict=True):
        np.testing.assert_array_equal(found, _erode(region, radius), str(radius))
    alpha = np.asarray(disc(80, 80, 30) * (rng.random((80, 80)) > 0.01), np.float32)
    drawn = [Radii(*pair, whole) for pair in ((3, 7), (40, 60)) for whole in (False, True)]
    for found, radii in zip(trimaps_in_torch(torch.from_numpy(alpha).expand(4, -1, -1), drawn), drawn, strict=True):
        expected, _ = trimap_from_radii(alpha, radii)
        np.testing.assert_array_equal(found.numpy(), expected, str(radii))


def test_people_doubt_known_pixels_and_alpha_stays(rng):
    strokes = [draw_strokes(rng, 64, 0.5) for _ in range(200)]
    share = np.mean([doubt.any() for doubt in strokes])
    assert 0.4 < share < 0.6
    assert 0.02 < np.mean([doubt.mean() for doubt in strokes if doubt.any()]) < 0.4
    alpha = torch.zeros(8, 1, 64, 64)
    alpha[:, :, :, 32:] = 1
    params = TrimapParams(min_radius=1, max_radius=2, whole_object=0.0, whole_flat=0.5)
    trimaps = make_trimaps(alpha, plan_trimaps(params, [np.random.default_rng(i) for i in range(8)], [800.0] * 8, 64))
    far = torch.ones(64, dtype=torch.bool)
    far[24:40] = False
    assert (trimaps[..., far] == 0.5).any()
    known = trimaps != 0.5
    assert torch.equal(trimaps[known], alpha[known])


def test_effects_of_strength_zero_change_nothing():
    images = torch.rand(2, 3, 32, 32).clamp(1e-3)
    zero, seeds = torch.zeros(2), torch.zeros(2, 2)
    for unchanged in (
        photometry.shade(images, zero, zero + 4, seeds),
        photometry.sharpen(images, zero),
        photometry.blur(images, zero),
        photometry.add_noise(images, zero, seeds),
        photometry.compress(images, zero),
        photometry.tone(images, torch.ones(2, 3), torch.ones(2)),
    ):
        torch.testing.assert_close(unchanged, images)


def test_shade_is_smooth_and_sharpening_steepens_an_edge():
    grey = torch.full((2, 3, 64, 64), 0.2)
    shaded = photometry.shade(grey, torch.tensor([0.5, 0.1]), torch.tensor([2, 2]), torch.zeros(2, 2))
    ratio = (shaded / grey).log()[:, 0]
    torch.testing.assert_close(ratio[0], 5 * ratio[1], atol=1e-4, rtol=0)
    assert ratio[0].std() > 5 * ratio[0].diff(dim=-1).abs().mean()
    edge = torch.where(torch.arange(64) < 32, 0.3, 0.6).expand(1, 3, 64, 64)
    steeper = photometry.sharpen(edge, torch.tensor([0.5]))[0, 0, 32]
    assert steeper[31] < 0.29
    assert steeper[32] > 0.61
    torch.testing.assert_close(steeper[:20], edge[0, 0, 32, :20])


def test_blur_noise_and_jpeg_do_what_they_say():
    images = torch.zeros(2, 3, 64, 64)
    images[:, :, 32, 32] = 1
    blurred = photometry.blur(images, torch.tensor([0.0, 2.0]))
    assert blurred[0, 0, 32, 32] == 1
    assert blurred[1, 0, 32, 32].item() == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)
    assert blurred[1, 0].sum().item() == pytest.approx(1, rel=1e-3)
    grey = torch.full((1, 3, 64, 64), 0.5)
    noisy = photometry.add_noise(grey, torch.tensor([0.1]), torch.tensor([[5, 9]]))
    assert noisy.std().item() == pytest.approx(0.1, rel=0.05)
    smooth = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert (photometry.compress(smooth, torch.tensor([90.0])) - smooth).abs().mean() < 0.01


def test_crops_of_photographs_come_beside_the_same_composites(live, monkeypatch):
    """They lie where theta says in a background that is a photograph, under trimaps as composites have them."""
    monkeypatch.setattr("erkd.batches.plan.FINE", 0)
    monkeypatch.setattr(LiveBatches, "_camera_effects", lambda self, camera, image: image)
    monkeypatch.setattr("erkd.batches.live.photometry.tone", lambda images, *strength: images)
    monkeypatch.setattr("erkd.batches.live.photometry.shade", lambda images, *strength: images)
    plain = live[1]
    more = live_batches(live.table.parent, photographs=3)
    both = more[1]
    assert plain.photographs is None
    assert torch.equal(plain.image, both.image)
    assert torch.equal(both.photographs.image, more[1].photographs.image)
    (crops,), image = both.photographs.crops, both.photographs.image
    assert crops.index.tolist() == [3] * 3
    assert image.shape == (3, 3, 64, 64)
    assert torch.equal(crops.share, torch.ones(3, 1, 64, 64))
    layer = live.layers[3].pixels[None, :3].float().expand(3, -1, -1, -1) / 255
    grid = affine_grid(crops.theta, [3, 3, 64, 64], align_corners=False)
    torch.testing.assert_close(grid_sample(layer, grid, padding_mode="reflection", align_corners=False), image)
    assert set(both.photographs.trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
    assert both.photographs.unknown.flatten(1).any(dim=1).all()


def test_a_library_without_photographs_is_refused_where_they_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("erkd.batches.live.PHOTOGRAPH", "of another kind")
    assert live_batches(tmp_path)[0].photographs is None
    with pytest.raises(InputError, match=r"distill\.photographs 2: no training background is a photograph; set data"):
        live_batches(tmp_path, photographs=2)


def test_layers_held_are_those_decoded_one_by_one(live, monkeypatch):
    """And batches of them are the same, bit for bit."""
    before = live[2]
    assert live.layers.hold()
    monkeypatch.setattr(live.layers, "_kept", None)
    assert torch.equal(live[2].image, before.image)
    assert live.layers.bytes() == sum(layer.pixels.numel() for layer in live.layers)


def test_more_layers_than_memory_takes_are_decoded_when_asked_for(live, monkeypatch):
    monkeypatch.setattr("erkd.batches.layers.RESIDENT", 1000)
    live.prepare()
    assert not live.layers.hold()
    assert live[0].image.shape == (4, 3, 64, 64)


def test_crops_of_an_atlas_are_those_cut_one_by_one(live):
    live.layers.hold()
    cuts = [cuts for step in range(3) for cuts in live.plan(step).layers]
    atlas = Atlas([layer.pixels for layer in live.layers], CPU)
    assert {halved for one in cuts for halved in one.halved} == {False, True}
    for one in cuts:
        expected = [
            cut(live.layers[i].pixels, theta, halved, 64) / 255
            for i, theta, halved in zip(one.index.tolist(), one.theta, one.halved, strict=True)
        ]
        found = atlas.cut(one.index, one.theta, one.halved, 64)
        torch.testing.assert_close(found, torch.cat(expected), atol=0.6 / 255, rtol=0)
        whole = [i for i, halved in enumerate(one.halved) if not halved]
        torch.testing.assert_close(found[whole], torch.cat(expected)[whole], atol=2e-4, rtol=0)


def test_what_a_gpu_does_gives_the_cpus_batches(live):
    """Drawn apart, rendered by a thread from the atlas with trimaps in torch: here on the CPU."""
    plain = [live[step] for step in range(3)]
    live.layers.hold()
    live.atlas = Atlas([layer.pixels for layer in live.layers], CPU)
    for batch, expected in zip(render_ahead(live, map(live.plan, range(3))), plain, strict=True):
        torch.testing.assert_close(batch.alpha, expected.alpha, atol=1.2 / 255, rtol=0)
        torch.testing.assert_close(batch.image, expected.image, atol=0.1, rtol=0)
        assert (batch.image - expected.image).abs().mean() < 2 / 255
