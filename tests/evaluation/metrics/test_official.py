"""The metrics against values worked out by hand, a plain transcription of their definitions, and Octave."""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from erkd.evaluation.baselines import METHODS, estimate_alpha
from erkd.evaluation.metrics.edges import _grow
from erkd.evaluation.metrics.gradients import gradient_magnitude, step_magnitude, stretch_of
from erkd.evaluation.metrics.official import (
    _largest_component,
    boundary_f_score,
    connectivity_error,
    edge_sad,
    gradient_error,
    mse,
    pair,
    sad,
    score,
)
from erkd.io.files import InputError
from erkd.io.images import load_alpha, load_image, load_trimap

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("metrics.json").read_text(encoding="utf-8"))
TOLERANCE = {"sad": 1e-6, "mse": 1e-6, "grad": 1e-4, "conn": 1e-6}


def unit(values):
    """Bytes as the float32 that a file is read as."""
    return np.asarray(values, np.float32) / 255


def agree(found, expected):
    """Compare by the relative differences that are promised; a Grad of rounding errors alone counts as 0."""
    for name, value in expected.items():
        tolerance = TOLERANCE[name.removesuffix("_whole")]
        assert found[name] == pytest.approx(value, rel=tolerance, abs=1e-12), name


# A plain transcription of the definitions: loops over pixels and taps, nothing shared with the module.


def plain_scores(pred, true, trimap):
    """All eight official scores of bytes `pred` and `true`; `trimap` holds 0, 128 and 255."""
    pred = np.where(trimap == 128, pred, trimap)
    maps = {
        "sad": abs(pred / 255.0 - true / 255.0),
        "mse": (pred / 255.0 - true / 255.0) ** 2,
        "grad": (plain_gradient(pred) - plain_gradient(true)) ** 2,
        "conn": plain_connectivity(pred, true),
    }
    scores = {}
    for name, values in maps.items():
        for suffix, region in (("", trimap == 128), ("_whole", trimap >= 0)):
            total = sum(values[region].tolist())
            scores[name + suffix] = total / region.sum() if name == "mse" else total / 1000
    return scores


def plain_gradient(alpha):
    alpha = alpha.astype(float)
    if alpha.max() > alpha.min():
        alpha = (alpha - alpha.min()) / (alpha.max() - alpha.min())
    height, width = alpha.shape
    bell = {i: np.exp(-i * i / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi)) for i in range(-4, 5)}
    taps = {(i, j): bell[i] * -j * bell[j] / 1.4**2 for i in bell for j in bell}
    norm = np.sqrt(sum(tap**2 for tap in taps.values()))
    padded = np.pad(alpha, 4, mode="edge")
    gradient_x, gradient_y = np.zeros_like(alpha), np.zeros_like(alpha)
    for (i, j), tap in taps.items():
        gradient_x += tap / norm * padded[4 - i : 4 - i + height, 4 - j : 4 - j + width]
        gradient_y += tap / norm * padded[4 - j : 4 - j + height, 4 - i : 4 - i + width]
    return np.sqrt(gradient_x**2 + gradient_y**2)


def plain_connectivity(pred, true):
    level = np.full(pred.shape, -1.0)
    for k in range(1, 11):
        # alpha >= k / 10, without a fraction
        omega = plain_largest((10 * pred.astype(int) >= 255 * k) & (10 * true.astype(int) >= 255 * k))
        level[(level == -1) & ~omega] = (k - 1) / 10
    level[level == -1] = 1
    phis = []
    for alpha in (pred / 255.0, true / 255.0):
        distance = alpha - level
        phis.append(1 - distance * (distance >= 0.15))
    return abs(phis[0] - phis[1])


def plain_largest(region):
    labels, count = ndimage.label(region.T)  # by columns
    return (1 + np.argmax(np.bincount(labels.ravel())[1:]) == labels.T) if count else region


def score_bytes(pred, true, trimap):
    return asdict(score(unit(pred), unit(true), np.select([trimap == 0, trimap == 255], [0.0, 1.0], 0.5)))


def compare_with_plain(pred, true, trimap):
    agree(score_bytes(pred, true, trimap), plain_scores(pred, true, trimap))


def all_unknown(alpha_pred, alpha_true):
    return pair(alpha_pred, alpha_true, np.full_like(alpha_true, 0.5))


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_octave_gives_the_same(name):
    case, shape = GOLDEN["cases"][name], (GOLDEN["width"], GOLDEN["height"])
    arrays = (np.frombuffer(bytes.fromhex(case[key]), np.uint8) for key in ("alpha_pred", "alpha_true", "trimap"))
    agree(score_bytes(*(array.reshape(shape).T for array in arrays)), case["scores"])


def test_sad_and_mse_by_hand():
    trimap = np.float32([[0.5, 0.5, 0.5, 0]])
    both = pair(unit([[255, 51, 0, 9]]), unit([[0, 0, 0, 51]]), trimap)
    # unknown: 1, 0.2 and 0; the fourth pixel is known background, so its prediction counts as 0
    assert sad(both) == pytest.approx((1.2 / 1000, 1.4 / 1000))
    assert mse(both) == pytest.approx((1.04 / 3, 1.08 / 4))
    # no score sees what is predicted where the trimap knows
    trimap, alpha_true = np.float32([[0, 0.5, 1]]), unit([[20, 40, 250]])
    assert score(unit([[0, 90, 255]]), alpha_true, trimap) == score(unit([[200, 90, 3]]), alpha_true, trimap)


def test_gradient_of_a_step_by_hand():
    """A vertical step: rows are alike, so the filter is a 1-D derivative times the sum of the Gaussian."""
    alpha_true = np.zeros((30, 30), np.float32)
    alpha_true[:, 15:] = 1
    offsets = np.arange(-4, 5)
    bell = np.exp(-(offsets**2) / 3.92)
    slope = offsets * bell
    kernel = slope / np.linalg.norm(slope) * bell.sum() / np.linalg.norm(bell)
    response = [kernel[4 - distance :].sum() for distance in (0, 1, 2, 3)]  # 0.. pixels right of the step
    expected = 30 * 2 * sum(value**2 for value in response) / 1000
    assert gradient_error(all_unknown(0 * alpha_true, alpha_true)) == pytest.approx((expected, expected), rel=1e-9)
    magnitude = gradient_magnitude(np.uint8(alpha_true * 255), slice(0, 30), stretch_of(np.uint8(alpha_true * 255)))
    assert step_magnitude() == pytest.approx(magnitude.max())
    assert step_magnitude() == pytest.approx(magnitude[10, 15])


def test_gradient_stretches_each_alpha_over_zero_to_one_by_itself():
    """Half the contrast, the same shape: no gradient error at all."""
    alpha_true = np.zeros((20, 20), np.float32)
    alpha_true[5:15, 5:15] = 1
    alpha_pred = alpha_true * np.float32(102 / 255) + np.float32(51 / 255)
    assert gradient_error(all_unknown(alpha_pred, alpha_true)).unknown < 1e-20
    assert stretch_of(np.uint8([[10, 15, 20]])) == pytest.approx((0.1, -1))
    assert stretch_of(np.uint8([[7, 7]])) == (1 / 255, 0.0)


def test_connectivity_by_hand():
    """A bridge of 0.4 joins two squares; above it only the larger one stays connected."""
    alpha = np.zeros((7, 12), np.float32)
    alpha[2:6, 1:5] = 1
    alpha[3, 5:8] = unit(102)
    alpha[2:5, 8:11] = 1
    alpha_pred = alpha.copy()
    alpha_pred[2:5, 8:11] = unit(204)
    # the 9 pixels of the smaller square left at 0.5, so their level is 0.4: 1 - 0.4 against 0.8 - 0.4
    expected = pytest.approx((9 * 0.2 / 1000, 9 * 0.2 / 1000))
    assert connectivity_error(all_unknown(alpha_pred, alpha)) == expected
    # gray level 153 reaches the threshold of 0.6, which leaves 0 of the prediction and 0.4 of the truth
    both = all_unknown(np.full((4, 4), unit(153)), np.ones((4, 4), np.float32))
    assert connectivity_error(both).unknown == pytest.approx(16 * 0.4 / 1000)


def test_connectivity_ignores_the_background_and_diagonals():
    alpha = np.zeros((40, 40), np.float32)
    alpha[0, 0] = alpha[1, 1] = alpha[2, 2] = alpha[2, 3] = 1  # the pair is the largest component
    alpha_pred = alpha.copy()
    alpha_pred[0, 0] = unit(51)
    # (0, 0) is never connected: level 0, so 1 against 0.2
    assert connectivity_error(all_unknown(alpha_pred, alpha)).unknown == pytest.approx(0.8 / 1000)


def test_of_equal_components_the_first_in_column_major_order_counts():
    alpha = np.zeros((6, 6), np.float32)
    alpha[0, 4] = alpha[5, 1] = 1  # row by row the first would be the other one
    # up to 0.9 the left pixel is the component, so it has level 0.9 and its 0.1 is below 0.15; the right one has 0
    for place, error in (((5, 1), 0), ((0, 4), 25 / 255 / 1000)):
        alpha_pred = alpha.copy()
        alpha_pred[place] = unit(230)
        assert connectivity_error(all_unknown(alpha_pred, alpha)).unknown == pytest.approx(error, abs=0)
    region = np.zeros((64, 64), bool)
    region[:16, 40:56] = region[40:56, :16] = True
    found = _largest_component(region, np.empty(region.shape, np.int32), np.empty(region.shape, bool))
    assert found[40:56, :16].all()
    assert found.sum() == 256


@pytest.mark.parametrize("seed", range(6))
def test_the_plain_transcription_agrees_on_random_alphas(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    pred, true = rng.integers(0, 256, (2, height, width)).astype(np.uint8)
    if seed % 2:  # smooth blobs, where components are large
        pred, true = (cv2.GaussianBlur(alpha, (0, 0), 3) for alpha in (pred, true))
    trimap = rng.choice(np.uint8([0, 128, 255]), (height, width), p=[0.2, 0.6, 0.2])
    trimap[0, 0] = 128
    compare_with_plain(pred, true, trimap)


@pytest.mark.parametrize("pred", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("true", [0, 127, 255])
def test_the_plain_transcription_agrees_on_constant_empty_and_full_alphas(pred, true):
    trimap = np.full((12, 15), 128, np.uint8)
    trimap[:3], trimap[9:] = 0, 255
    compare_with_plain(np.full_like(trimap, pred), np.full_like(trimap, true), trimap)


def test_strips_do_not_show(monkeypatch):
    """Taller than a strip of 32 rows, with structure across the seams."""
    monkeypatch.setattr("erkd.evaluation.metrics.inputs.STRIP", 1)
    rng = np.random.default_rng(3)
    pred, true = (cv2.GaussianBlur(rng.integers(0, 256, (75, 9), np.uint8), (0, 0), 2) for _ in range(2))
    compare_with_plain(pred, true, np.full((75, 9), 128, np.uint8))


@pytest.mark.parametrize("name", ["GT03", "GT09"])
@pytest.mark.parametrize("trimap_name", ["Trimap1", "Trimap2"])
@pytest.mark.parametrize("method", METHODS)
def test_the_plain_transcription_agrees_on_what_baselines_make_of_photographs(realdata, method, trimap_name, name):
    root = realdata / "alphamatting"
    trimap = load_trimap(root / f"trimap_training_lowres/{trimap_name}/{name}.png")
    unknown = np.argwhere(trimap == 0.5)
    row, column = unknown[len(unknown) // 3]
    window = (slice(max(row - 60, 0), row + 60), slice(max(column - 80, 0), column + 80))
    image, trimap = load_image(root / f"input_training_lowres/{name}.png")[window], trimap[window]
    true = load_alpha(root / f"gt_training_lowres/{name}.png")[window]
    pred = estimate_alpha(method, image, trimap)
    compare_with_plain(*(np.rint(array * 255).astype(np.uint8) for array in (pred, true, trimap)))


def test_the_truth_scores_nothing_and_memory_order_does_not_matter(rng):
    alpha = rng.random((20, 30), np.float32)
    trimap = rng.choice(np.float32([0, 0.5, 1]), (20, 30))
    known = np.where(trimap == 0.5, alpha, trimap)
    scores = asdict(score(known, known, trimap))
    assert scores.pop("boundary_f") == 1
    assert set(scores.values()) == {0}
    other = rng.random((20, 30), np.float32)
    columns = [np.asfortranarray(array) for array in (other, alpha, trimap)]
    assert score(*columns) == score(other, alpha, trimap)


def test_sad_near_edges_by_hand():
    """A tenth of a step's gradient is reached in three columns on either side; two more lie within 2 pixels."""
    alpha_true = np.zeros((30, 40), np.float32)
    alpha_true[:, 20:] = 1
    both = all_unknown(np.abs(alpha_true - unit(51)), alpha_true)
    assert edge_sad(both) == pytest.approx(30 * 10 * 0.2 / 1000)
    alpha_pred = alpha_true.copy()
    alpha_pred[:, 2] = 1  # 18 pixels from the edge
    assert edge_sad(all_unknown(alpha_pred, alpha_true)) == 0
    alpha_pred[:, 21] = 0.6
    assert edge_sad(all_unknown(alpha_pred, alpha_true)) == pytest.approx(30 * 0.4 / 1000)
    trimap = np.full_like(alpha_true, 0.5)
    trimap[:, 20:] = 0  # wrongly known: that is not an error of the prediction's edge
    assert edge_sad(pair(alpha_pred, alpha_true, trimap)) == 0
    region = np.zeros((7, 7), np.uint8)
    region[3, 3] = 1
    rows = ["0000000", "0001000", "0011100", "0111110", "0011100", "0001000", "0000000"]
    assert ["".join(map(str, row)) for row in _grow(region, 2)] == rows


def test_boundary_f_score_by_hand():
    alpha_true = np.zeros((20, 20), np.float32)
    alpha_true[5:15, 5:15] = 1
    shifted = np.roll(alpha_true, 2, axis=1)
    assert boundary_f_score(all_unknown(shifted, alpha_true)) == 1  # within the tolerance
    # a line along one side: all its 10 pixels match; of the 36 true ones the 10 of that side and, at
    # either end, the next two of the neighbouring sides
    line = np.zeros_like(alpha_true)
    line[5, 5:15] = 1
    assert boundary_f_score(all_unknown(line, alpha_true)) == pytest.approx(2 * 14 / 36 / (1 + 14 / 36))
    empty = np.zeros_like(alpha_true)
    assert boundary_f_score(all_unknown(empty, alpha_true)) == 0
    assert boundary_f_score(all_unknown(empty, empty)) == 1
    assert boundary_f_score(all_unknown(empty, empty + 1)) == 0
    # level 128 is the first inside
    for level, expected in ((128, 1.0), (127, 0.0)):
        faint = alpha_true * unit(level)
        assert boundary_f_score(all_unknown(faint, alpha_true)) == expected
        assert boundary_f_score(all_unknown(alpha_true, faint)) == expected
    # the harmonic mean: all 16 predicted boundary pixels are true ones, of the true boundary's 32 half are found
    squares = np.zeros((2, 40, 40), np.float32)
    squares[0, 3:8, 3:8] = squares[1, 25:30, 25:30] = 1
    assert boundary_f_score(all_unknown(squares[0], sum(squares))) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_f_score(all_unknown(*squares)) == 0  # they never meet


GOOD = np.full((4, 5), 0.5, np.float32)


@pytest.mark.parametrize("name", ["alpha_pred", "alpha_true", "trimap"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full((4, 5), np.nan, np.float32), "NaN"),
        (np.full((4, 5), 1.5, np.float32), r"\[0, 1\]; found 1.5"),
        (np.full((4, 5), -0.1, np.float32), r"\[0, 1\]; found -0.1"),
        (np.full((4, 5), np.inf, np.float32), r"\[0, 1\]"),
        (np.full((4, 5), 128, np.uint8), "uint8"),
        (np.full((4, 5), True), "bool"),
        (np.full((4, 5, 3), 0.5, np.float32), r"\(4, 5, 3\)"),
        (np.zeros((0, 5), np.float32), r"\(0, 5\)"),
        ([[0.5]], "list"),
    ],
)
def test_bad_input_is_refused_by_name(name, bad, message):
    arrays = dict.fromkeys(("alpha_pred", "alpha_true", "trimap"), GOOD) | {name: bad}
    with pytest.raises(InputError, match=f"{name} .*{message}"):
        score(**arrays)


def test_sizes_must_agree_and_trimap_values_and_unknown_pixels_are_needed():
    with pytest.raises(InputError, match="alpha_pred 4 x 5, alpha_true 4 x 6, trimap 4 x 5"):
        score(GOOD, np.full((4, 6), 0.5, np.float32), GOOD)
    with pytest.raises(InputError, match="no unknown pixel"):
        score(GOOD, GOOD, np.zeros_like(GOOD))
    with pytest.raises(InputError, match=r"other than 0 \(background\)"):
        score(GOOD, GOOD, np.full_like(GOOD, 128 / 255))
