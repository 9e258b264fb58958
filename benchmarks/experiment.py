"""State the registered experiment's verdict, or put its question to photographs of your own.

`python -m benchmarks.experiment --write` puts the verdict, one sentence that follows from `ablation/scores/`, into
the README and docs/results.md. `python -m benchmarks.experiment --photographs DIR [--layout alphamatting]` scores the
students in ablation/students and prints what distillation changes there; `--scores FILE.csv` keeps every score.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmarks.documents import README, RESULTS, put_between
from erkd.experiments.ablation_table import ENDPOINT, ERKD, EXCHANGED, PLAIN, contrasts_table, verdict
from erkd.experiments.contrasts import contrast
from erkd.experiments.image_scores import read_scores
from erkd.experiments.student_scores import score_student
from erkd.experiments.trials import read_trials, registered_trials
from erkd.io.files import InputError, write_text
from erkd.io.tables import Sample
from pipeline.common.sets import LAYOUTS

ROOT = Path("ablation")
MARKS = "<!-- verdict -->", "<!-- end of verdict -->"
QUESTIONS = ((ERKD, PLAIN), (ERKD, EXCHANGED), (EXCHANGED, PLAIN))


def current_verdict(root: Path = ROOT) -> str:
    """The sentence that the committed scores say."""
    return verdict(read_scores(registered_trials(root)), read_trials(root)["seeds"][ERKD])


def score_all(students: Path, samples: Sequence[Sample]) -> pd.DataFrame:
    """Score every student ARM/SEED in a folder. Raises InputError when there is none."""
    frames = []
    for folder in sorted(students.glob("*/*/")):
        rows = score_student(folder, {ENDPOINT: samples}, "auto")
        frames.append(pd.DataFrame(map(asdict, rows)).assign(arm=folder.parent.name, seed=int(folder.name)))
    if not frames:
        raise InputError(f"{students}: no students; `git checkout {students}` brings those of the project back")
    return pd.concat(frames, ignore_index=True)


def main() -> None:
    """Write the verdict, or score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--layout", choices=LAYOUTS, default="alphamatting")
    parser.add_argument("--students", type=Path, default=ROOT / "students")
    parser.add_argument("--scores", type=Path)
    arguments = parser.parse_args()
    if arguments.write:
        for path in (README, RESULTS):
            put_between(MARKS, current_verdict(), path)
    if arguments.photographs:
        try:
            scores = score_all(arguments.students, LAYOUTS[arguments.layout](arguments.photographs))
        except InputError as error:
            parser.error(str(error))
        if arguments.scores:
            write_text(scores.to_csv(index=False, lineterminator="\n"), arguments.scores)
        found = [contrast(scores, *pair, set=ENDPOINT) for pair in QUESTIONS]
        print(contrasts_table(found, read_trials(ROOT)["titles"]))


if __name__ == "__main__":
    main()
