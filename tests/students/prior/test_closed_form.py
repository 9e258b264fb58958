"""The closed form in the graph against its definition."""

import numpy as np
import pytest
import torch

from erkd.students import PRIOR_STRIDES
from erkd.students.prior.closed_form import DIFFERENCES, VARIANCE, apply_linear_model, solve, window_statistics
from erkd.students.prior.propagation import alpha_from_prior, propagate
from tests.support.students import vertical_edge


def dense_laplacian(image):
    """Levin et al.'s equation 12, window by window; `image` 3 x h x w, only whole windows."""
    _, height, width = image.shape
    laplacian = np.zeros((height * width, height * width))
    index = np.arange(height * width).reshape(height, width)
    for y in range(height - 2):
        for x in range(width - 2):
            cells = index[y : y + 3, x : x + 3].ravel()
            colours = image[:, y : y + 3, x : x + 3].reshape(3, 9)
            centred = colours - colours.mean(axis=1, keepdims=True)
            inverse = np.linalg.inv(centred @ centred.T / 9 + VARIANCE / 9 * np.eye(3))
            laplacian[np.ix_(cells, cells)] += np.eye(9) - (1 + centred.T @ inverse @ centred) / 9
    return laplacian


def test_affinities_are_the_matting_laplacian():
    image = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    values = torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(1))
    affinity = window_statistics(image).affinity
    found = (affinity * torch.nn.functional.conv2d(values, DIFFERENCES, padding=2)).sum(1)
    expected = dense_laplacian(image[0].double().numpy()) @ values.double().numpy().ravel()
    np.testing.assert_allclose(found.numpy().ravel(), expected, atol=1e-4)


def test_the_solution_is_that_of_the_linear_system():
    """With enough steps and a data term, as of a sparse solver."""
    rng = torch.Generator().manual_seed(2)
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4, generator=rng), scale_factor=4, mode="bilinear")
    image = smooth + 0.05 * torch.rand(1, 3, 16, 16, generator=rng)
    foreground, background = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    foreground[..., :4], background[..., 12:] = 1, 1
    projected, confidence = torch.rand(1, 1, 16, 16, generator=rng), torch.full((1, 1, 16, 16), 0.01)
    model = solve(image, foreground, background, projected, confidence, (5, 10, 20, 400))
    known = (foreground + background).numpy().ravel() > 0
    laplacian = dense_laplacian(image[0].double().numpy())
    system = laplacian + 0.01 * np.eye(256)
    right = 0.01 * projected.double().numpy().ravel() - system[:, known] @ foreground.double().numpy().ravel()[known]
    alpha = foreground.double().numpy().ravel().copy()
    alpha[~known] = np.linalg.solve(system[np.ix_(~known, ~known)], right[~known])
    found = apply_linear_model(model[:, :3], model[:, 3:], image).numpy().ravel()
    # a linear model of nine cells is not exact in each: what is compared is the solution seen through it
    assert np.abs(found - alpha.clip(0, 1))[~known].mean() < 0.03


@pytest.mark.parametrize("size", [32, 64, 96])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("stride", PRIOR_STRIDES)
def test_trimaps_of_one_value_are_finite(size, value, stride):
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    for picture in (image, torch.full_like(image, 0.3)):
        alpha = alpha_from_prior(picture, propagate(picture, torch.full((1, 1, size, size), value), stride), stride)
        torch.testing.assert_close(alpha, torch.full_like(alpha, value), atol=1e-3, rtol=0)


@pytest.mark.parametrize("stride", PRIOR_STRIDES)
def test_a_known_side_carries_along_a_stripe(stride):
    """Two colours that meet without a gradient between known and unknown: alpha follows the colours."""
    image, trimap, alpha = vertical_edge(96, soft=40)
    found = alpha_from_prior(image, propagate(image, trimap, stride), stride)
    assert (found - alpha).abs().mean() < 0.02
