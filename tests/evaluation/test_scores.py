"""Tables of scores: rows, means, intervals, differences."""

import csv

import numpy as np
import pytest

from erkd.evaluation.bootstrap import interval, mean_scores, resample, summarise
from erkd.evaluation.metrics.official import Scores
from erkd.evaluation.scores import (
    NAMES,
    STUDENT,
    ScoreRow,
    predict_samples,
    score_file,
    score_set,
    significant,
    write_rows,
)
from erkd.io.files import InputError, write_hash
from erkd.io.images import save_image
from erkd.io.tables import list_composites
from tests.support.small_set import write_small_set


def scores(sad):
    """Scores of which SAD matters; the others follow from it."""
    return Scores(*(sad * factor for factor in range(1, len(NAMES) + 1)))


def rows_of(method, sads, group="test"):
    return [ScoreRow(group, f"s{number}", method, "hair", scores(sad)) for number, sad in enumerate(sads)]


@pytest.fixture
def samples(tmp_path):
    write_small_set(tmp_path)
    return list_composites(tmp_path / "data/composites", tmp_path / "data/trimaps", "test")


def test_the_samples_of_a_split(samples, tmp_path):
    assert [sample.sample_id for sample in samples] == ["s0", "s1", "s2"]
    assert samples[1].alpha == tmp_path.resolve() / "data/composites/alphas/s1.png"
    assert samples[1].trimap == tmp_path.resolve() / "data/trimaps/trimaps/s1.png"
    assert {(sample.group, sample.material) for sample in samples} == {("test", "disc")}
    table = tmp_path / "data/trimaps/trimaps.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith("s1,")), encoding="utf-8")
    write_hash(table)
    with pytest.raises(InputError, match=r"trimaps\.csv: no trimap for s1;"):
        list_composites(tmp_path / "data/composites", tmp_path / "data/trimaps", "test")


def test_predictions_are_scored_as_the_files_they_are(samples, tmp_path):
    """A prediction of 0.5 everywhere is 128 on disk; known regions are the trimap's."""
    costs = predict_samples(lambda image, trimap: np.full(trimap.shape, 0.5), samples, tmp_path / "predictions")
    assert len(costs) == 3
    assert all(cost.seconds >= 0 and cost.peak_mib > 10 for cost in costs)
    folders = {name: tmp_path / "baselines" / name for name in ("b", "a")}
    for folder in folders.values():
        predict_samples(lambda image, trimap: trimap, samples, folder)
    rows = score_set(samples, tmp_path / "predictions", {name: folders[name] for name in "ab"})
    assert [(row.method, row.sample_id) for row in rows] == [
        (method, f"s{number}") for method in (STUDENT, "a", "b") for number in range(3)
    ]
    assert rows[0].scores == score_file(tmp_path / "predictions/s0.png", samples[0].alpha, samples[0].trimap)
    assert rows[0].scores.sad != rows[1].scores.sad
    # a trimap's 0.5 is 128 too, so all three methods wrote the same files
    assert rows[0].scores == rows[3].scores == rows[6].scores
    assert {row.method for row in score_set(samples, tmp_path / "predictions", {})} == {STUDENT}
    (folders["a"] / "s1.png").rename(folders["a"] / "s9.png")
    with pytest.raises(InputError, match=r"a: missing: s1\.png; extra: s9\.png; a prediction per sample"):
        score_set(samples, tmp_path / "predictions", folders)


def test_a_file_that_cannot_be_scored_is_named(samples, tmp_path):
    alpha, trimap = samples[0].alpha, samples[0].trimap
    small, gone, known = (tmp_path / f"{name}.png" for name in ("small", "gone", "known"))
    save_image(np.zeros((3, 4), np.float32), small)
    save_image(np.zeros((24, 32), np.float32), known)
    for files, message in (
        ((small, alpha, trimap), r"small\.png: sizes differ .* alpha_pred 3 x 4, alpha_true 24 x 32"),
        ((gone, alpha, trimap), r"^\S*gone\.png: no such file$"),
        ((alpha, alpha, known), r"known\.png: trimap has no unknown pixel"),
    ):
        with pytest.raises(InputError, match=message):
            score_file(*files)


def test_means_and_their_intervals_by_hand():
    """Two images, 0 and 1: a quarter of the bootstrap means are 0, a quarter 1, so the interval is 0 to 1."""
    mean = mean_scores([scores(1), scores(2), scores(6)])
    assert (mean["sad"], mean["mse"], tuple(mean)) == (3, 6, NAMES)
    positions = resample(2, 4000, seed=0)
    means = np.float64([0, 1])[positions].mean(axis=1)
    assert np.mean(means == 0) == pytest.approx(0.25, abs=0.03)
    assert interval(np.float64([0, 1]), positions) == (0, 1)
    assert interval(np.float64([3, 3, 3]), resample(3, 10, seed=1)) == (3, 3)
    # it shrinks as the normal one does
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = interval(values, resample(400, 4000, seed=0))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert (resample(5, 20, 1) == resample(5, 20, 1)).all()
    assert (resample(5, 20, 1) != resample(5, 20, 2)).any()


def test_a_summary_by_hand():
    rows = rows_of(STUDENT, [1, 2, 3]) + rows_of("knn", [2, 3, 4]) + rows_of(STUDENT, [7], "validation")
    summary = summarise(rows, 100, seed=0)
    assert list(summary) == ["test", "validation"]
    assert list(summary["test"]) == ["n", STUDENT, "knn"]
    assert summary["test"]["n"] == 3
    assert summary["test"][STUDENT]["sad"] == 2
    assert summary["test"][STUDENT]["mse_whole"] == significant(2 * (NAMES.index("mse_whole") + 1))
    assert 1 <= summary["test"][STUDENT]["sad_low"] < 2 < summary["test"][STUDENT]["sad_high"] <= 3
    assert "difference" not in summary["test"][STUDENT]
    # paired: the gap is the same on every image, so its interval has no width
    gap = summary["test"]["knn"]["difference"]
    assert (gap["sad"], gap["sad_low"], gap["sad_high"]) == (-1, -1, -1)
    only = summary["validation"][STUDENT]
    assert (only["sad"], only["sad_low"], only["sad_high"]) == (7, 7, 7)


def test_numbers_are_rounded_to_six_significant_digits():
    assert significant(1 / 3) == 0.333333
    assert significant(123456789) == 123457000
    assert significant(1.23456789e-9) == 1.23457e-9
    assert summarise(rows_of(STUDENT, [1 / 3]), 10, 0)["test"][STUDENT]["sad"] == 0.333333


def test_rows_as_csv(tmp_path):
    write_rows([*rows_of(STUDENT, [1 / 3]), *rows_of("knn", [2])], tmp_path / "per_image.csv")
    with (tmp_path / "per_image.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.reader(stream))
    assert lines[0][:10] == [
        "group", "sample_id", "method", "material", "sad", "mse", "grad", "conn", "sad_whole", "mse_whole",
    ]  # fmt: skip
    assert lines[1][:5] == ["test", "s0", "student", "hair", "0.333333"]
    assert len(lines) == 3
