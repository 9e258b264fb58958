"""The smoke test of a GPU: what training does on one gives what the CPU gives. Without one it runs on the CPU alone.

`pytest tests/training/test_device.py`; how fast it is says `python -m benchmarks.training`.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from erkd.batches.atlas import Atlas
from erkd.batches.trimaps import trimaps_in_torch
from erkd.data.trimap_generation import Radii, trimap_from_radii
from erkd.features.maps import PackedMaps, packed
from erkd.runtime.device import choose_device
from erkd.training.graphs import graphed
from erkd.training.loop import fit
from tests.support.students import edge_batch, random_cache, small_methods, small_student
from tests.support.training_set import disc, live_batches

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


@pytest.fixture(params=DEVICES)
def device(request):
    return torch.device(request.param)


def four_images(shallow: int = 8):
    """A cache of the four training layers of `live_batches`, packed as files are, with two levels."""
    cache = random_cache(shallow=shallow)
    levels = []
    for level in (cache, cache.shallow):
        maps = np.concatenate([level.features, level.features[:1]])
        levels.append(replace(level, features=PackedMaps(packed(maps), np.array([maps.shape[2:]] * 4))))
    return replace(levels[0], shallow=levels[1])


def test_three_steps_train_on_it(device, tmp_path):
    """Live batches with photographs, ERKD on features of two levels in the device's memory, to finite losses."""
    batches = live_batches(tmp_path, photographs=2, steps=3)
    batches.device = device
    student = small_student()
    methods = small_methods(student, "erkd", cache=four_images().on(device))
    before = student.head.out.weight.clone()
    fitted = fit(student, methods, batches, batches.distill, lambda _: 1.0, lambda _: {"sad": 1.0}, device, 0)
    assert all(np.isfinite([*record.values()]).all() for record in fitted.history)
    assert {"erkd_feature_8", "erkd_feature_16", "erkd_text", "erkd_photographs_text"} <= {*fitted.history[0]}
    assert not torch.equal(student.head.out.weight.cpu(), before)


def test_its_graph_is_the_student(device):
    """Outputs, gradients and BatchNorm's statistics of a step are those of a student that runs kernel by kernel."""
    if device.type == "cpu":
        pytest.skip("no graphs on the CPU")
    batch = edge_batch().to(device)
    alone = small_student().train().to(device)
    captured = copy.deepcopy(alone)
    forward = graphed(captured, len(batch.image), batch.image.shape[-1], device)
    alphas = []
    for student, run in ((alone, alone), (captured, forward)):
        for factor in (0.5, 1.0):  # a graph is replayed on other images than it saw before
            student.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                matte = run(factor * batch.image, batch.trimap)
            (matte.alpha.square().mean() + matte.features[16].float().square().mean()).backward()
        alphas.append(matte.alpha.detach().clone())
    torch.testing.assert_close(*alphas, atol=0.02, rtol=0)
    named = [{name: value.grad for name, value in one.named_parameters()} for one in (alone, captured)]
    used = [name for name, gradient in named[0].items() if gradient is not None]
    expected, found = (torch.cat([gradients[name].flatten() for name in used]) for gradients in named)
    assert (found - expected).norm() < 0.02 * expected.norm()
    for one, other in zip(captured.buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(one.float(), other.float(), atol=0.02, rtol=0.02)


def test_features_in_its_memory_are_those_of_the_files(device, rng):
    """At one point a cell and at four, of both levels, and where a crop reaches beyond its image."""
    cache = four_images()
    index = torch.tensor([2, 0, 3])
    theta = torch.tensor([[[0.4, 0.1, 0.3], [-0.1, 0.4, 0]], [[1.6, 0, 0.2], [0, 1.5, 0]], [[-1, 0, 0.5], [0, 1, 0]]])
    for plain, there in zip((cache, cache.shallow), (cache.on(device), cache.on(device).shallow), strict=True):
        found = there.sample(index, theta, (2, 3))
        assert (found.device.type, found.dtype) == (device.type, torch.float32)
        torch.testing.assert_close(found.cpu(), plain.sample(index, theta, (2, 3)), atol=4e-3, rtol=2e-3)


def test_batches_made_on_it_are_the_cpus(device, tmp_path):
    """The same draws rendered from the atlas: alpha and trimaps to a level of 8 bits, images but for JPEG."""
    live = live_batches(tmp_path, batch_size=8)
    plans = [live.plan(step) for step in range(2)]
    quiet = [replace(plan, camera=replace(plan.camera, quality=torch.zeros(8))) for plan in plans]
    expected = [live.render(plan) for plan in quiet]
    live.layers.hold()
    live.device, live.atlas = device, Atlas([layer.pixels for layer in live.layers], device)
    for plan, cpu in zip(quiet, expected, strict=True):
        batch = live.render(plan)
        assert batch.image.device.type == device.type
        torch.testing.assert_close(batch.alpha.cpu(), cpu.alpha, atol=1.2 / 255, rtol=0)
        assert (batch.image.cpu() - cpu.image).abs().mean() < 1 / 255
        assert (batch.trimap.cpu() == cpu.trimap).float().mean() > 0.97  # a level may cross a threshold
    assert live.render(plans[0]).image.isfinite().all()


def test_alpha_on_it_is_the_cpus(device):
    """The prior is computed in full float32 there: in TF32 alpha would differ by far more."""
    student, batch = small_student().eval(), edge_batch()
    with torch.no_grad():
        expected = student(batch.image, batch.trimap).alpha
        where = choose_device(device.type)
        found = student.to(where)(batch.image.to(where), batch.trimap.to(where)).alpha
    torch.testing.assert_close(found.cpu(), expected, atol=2e-3, rtol=0)


def test_trimaps_made_on_it_are_opencvs(device, rng):
    alpha = np.asarray(disc(96, 96, 36) * (rng.random((96, 96)) > 0.01), np.float32)
    radii = [Radii(*pair, whole) for pair in ((3, 7), (40, 60), (1, 1)) for whole in (False, True)]
    found = trimaps_in_torch(torch.from_numpy(alpha).to(device).expand(6, -1, -1), radii).cpu()
    for one, own in zip(found.numpy(), radii, strict=True):
        np.testing.assert_array_equal(one, trimap_from_radii(alpha, own)[0], str(own))
