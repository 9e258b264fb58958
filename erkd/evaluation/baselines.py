"""Methods to compare with: interpolation, PyMatting's (this is its only importer), and other programs' predictions.

Predictions are files, written once per data set, so that everything is scored the same way.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.evaluation.costs import Cost, measured, together, typical
from erkd.io.files import InputError
from erkd.io.image_files import images_by_name
from erkd.io.images import Array, load_alpha, load_image, load_trimap, save_image
from erkd.io.tables import Sample
from erkd.runtime.parallel import map_rows

MEAN = "mean"
# tried in this order until the solver converges; the second is still finer than 8 bits
TOLERANCES = (1e-7, 1e-5)
MAX_ITERATIONS = 5000


def interpolation(image: Array, trimap: Array) -> Array:
    """d_B / (d_F + d_B), with the distances to known foreground and background; `image` is not used."""
    to_foreground, to_background = (_distance(trimap != value) for value in (1, 0))
    return np.asarray(to_background / (to_foreground + to_background), np.float32)


def _distance(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """From each pixel of `region` to the nearest one outside it.

    The last bits of OpenCV's depend on where in memory the image lies; squares are whole numbers.
    """
    distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.sqrt(np.rint(np.square(distance, dtype=np.float64)))


def closed_form(image: Array, trimap: Array) -> Array:
    """Closed-form matting (Levin et al. 2007), PyMatting's."""
    from pymatting import estimate_alpha_cf

    return _solve(estimate_alpha_cf, image, trimap)


def knn(image: Array, trimap: Array) -> Array:
    """KNN matting (Chen et al. 2013), PyMatting's."""
    from pymatting import estimate_alpha_knn

    return _solve(estimate_alpha_knn, image, trimap)


def shared_sampling(image: Array, trimap: Array) -> Array:
    """Shared matting (Gastal and Oliveira 2010), PyMatting's `estimate_alpha_sm`."""
    from pymatting import estimate_alpha_sm

    return estimate_alpha_sm(np.ascontiguousarray(image), np.ascontiguousarray(trimap))


METHODS: dict[str, Callable[[Array, Array], Array]] = {
    "interpolation": interpolation,
    "closed_form": closed_form,
    "knn": knn,
    "shared_sampling": shared_sampling,
}


def estimate_alpha(method: str, image: Array, trimap: Array) -> Array:
    """Alpha H x W in [0, 1] of an image H x W x 3 and its trimap, by a method of `METHODS`, on one core.

    Where a trimap knows no foreground, unknown pixels get 0, without background 1, without either 0.5:
    what the linear methods tend to, and PyMatting refuses such trimaps.
    """
    foreground, background = (trimap == 1).any(), (trimap == 0).any()
    if not (foreground and background):
        return np.where(trimap == 0.5, 0.5 + 0.5 * foreground - 0.5 * background, trimap).astype(np.float32)
    if method == "interpolation":
        return np.where(trimap == 0.5, interpolation(image, trimap), trimap).astype(np.float32)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _one_thread():
        warnings.simplefilter("ignore")  # PyMatting prints and warns where it merely tries again
        alpha = METHODS[method](image, trimap)
    return np.clip(np.where(trimap == 0.5, alpha, trimap), 0, 1).astype(np.float32)


def _solve(estimate: Callable[..., Any], image: Array, trimap: Array) -> Array:
    """Run one of PyMatting's linear solvers, at a coarser tolerance where the fine one is not reached."""
    for tolerance in TOLERANCES:
        # an absolute tolerance too: with no known foreground nearby the right-hand side is 0
        settings = {"rtol": tolerance, "atol": 1e-10, "maxiter": MAX_ITERATIONS}
        try:
            return estimate(image.astype(np.float64), trimap.astype(np.float64), cg_kwargs=settings)
        except ValueError as error:
            failure = error
    raise InputError(f"PyMatting finds no alpha: {failure}")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep BLAS and numba to one thread: sums depend on how many share them."""
    import numba
    from threadpoolctl import threadpool_limits

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        numba.set_num_threads(before)


def prediction_path(folder: Path, method: str, sample: Sample) -> Path:
    """Where a method's prediction of a sample lies in a set's folder of baselines."""
    return folder / method / f"{sample.sample_id}.png"


def run_baselines(
    samples: Sequence[Sample], methods: Sequence[str], folder: Path, done: Path | None = None
) -> dict[str, dict[str, float]]:
    """Write every method's prediction of every sample under `folder`.

    Where several of PyMatting's methods are asked for, their mean is written too, as method `mean`.
    Returns what each costs per image (see `erkd.evaluation.costs`). With the folder `done`, predictions
    that it records are not made again. Raises InputError that names the sample whose files cannot be used.
    """

    def run(method: str, function: Callable[[Sample], Any], restore: Any = None) -> list[Any]:
        record = None if done is None else done / method
        return map_rows(function, samples, f"baseline {method}", record, restore)

    costs = {method: typical(run(method, partial(_run_one, method, folder), Cost)) for method in methods}
    averaged = [method for method in methods if method != "interpolation"]
    if len(averaged) > 1:
        run(MEAN, partial(_average_one, averaged, folder))
        costs[MEAN] = together([costs[method] for method in averaged])
    return costs


def _run_one(method: str, folder: Path, sample: Sample) -> Cost:
    image, trimap = load_image(sample.image), load_trimap(sample.trimap)
    if image.shape[:2] != trimap.shape:
        raise InputError(
            f"{sample.trimap}: {trimap.shape[0]} x {trimap.shape[1]} pixels (height x width), "
            f"but its image is {image.shape[0]} x {image.shape[1]}"
        )
    if method != "interpolation":
        import pymatting  # noqa: F401 - so that loading its compiled kernels is not timed
    try:
        alpha, cost = measured(estimate_alpha, method, image, trimap)
    except InputError as error:
        raise InputError(f"{sample.image}: {method}: {error}") from None
    save_image(alpha, prediction_path(folder, method, sample))
    return cost


def _average_one(methods: Sequence[str], folder: Path, sample: Sample) -> None:
    alphas = [load_alpha(prediction_path(folder, method, sample)) for method in methods]
    save_image(np.mean(alphas, axis=0), prediction_path(folder, MEAN, sample))


def take_in(source: Path, name: str, sets: Iterable[str], folder: Path) -> None:
    """Copy alphas into `folder`/<set>/<name>.png, 8 bits; the images of `source` itself are the test set's.

    Where `source` has folders named like some of `sets`, each holds the predictions of its set. Raises
    InputError for a name that another method has, a missing folder, and one without predictions.
    """
    if name in ("student", MEAN, *METHODS):
        raise InputError(f"baselines.folders.{name}: another method has this name; choose another")
    if not source.is_dir():
        raise InputError(f"baselines.folders.{name}: {source}: no such folder")
    folders = {set: source / set for set in sets if (source / set).is_dir()} or {"test": source}
    for set, inside in folders.items():
        images = images_by_name(inside, below=False)
        if not images:
            raise InputError(f"baselines.folders.{name}: {inside}: no images; one per sample is expected")
        map_rows(partial(_copy, folder / set), [*images.values()], f"take in {name}")


def _copy(folder: Path, path: Path) -> None:
    save_image(load_alpha(path), folder / f"{path.stem}.png")
