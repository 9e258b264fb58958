"""A student's scores image by image, which the experiment keeps so that anyone can compute its statistics again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erkd.experiments.trials import Trial
from erkd.io.files import InputError

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class ImageRow:
    """A student's scores on an image with one of its trimaps, over the unknown region; SAD in thousands of pixels."""

    set: str
    image: str
    trimap: str
    sad: float
    mse: float
    grad: float
    conn: float


def read_scores(trials: Iterable[Trial]) -> "DataFrame":
    """The rows of all trials that have been scored, with the columns `arm` and `seed`, in the order of `trials`.

    Raises InputError for a file that is no table of scores.
    """
    import pandas as pd

    names = list(ImageRow.__dataclass_fields__)
    frames = [pd.DataFrame(columns=["arm", "seed", *names])]
    for trial in trials:
        if trial.scores.is_file():
            try:
                frame = pd.read_csv(trial.scores, dtype={"image": str, "trimap": str}, keep_default_na=False)
                frames.append(frame[names].assign(arm=trial.name, seed=trial.seed))
            except (KeyError, ValueError) as error:
                raise InputError(f"{trial.scores}: not a table of scores ({error}); score the trial again") from None
    return pd.concat(frames[1:] or frames, ignore_index=True)
