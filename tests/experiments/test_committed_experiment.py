"""What is committed of the registered experiment: documents, tables and students follow from scores and records."""

import pytest

from benchmarks.experiment import MARKS, current_verdict
from erkd import Matter
from erkd.experiments.ablation_table import report, trial_table
from erkd.experiments.image_scores import read_scores
from erkd.experiments.trials import read_runs, read_trials, registered_trials
from tests.support import ROOT
from tests.support.photo import photo

FOLDER = ROOT / "ablation"
RUNS = read_runs(registered_trials(FOLDER))
PUBLISHED = [trial.student for trial in RUNS if trial.name in ("plain", "erkd", "exchanged") and trial.seed <= 16]


@pytest.mark.parametrize("document", ["README.md", "docs/results.md"])
def test_documents_carry_the_verdict(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert f"{MARKS[0]}\n{current_verdict(FOLDER)}\n{MARKS[1]}" in text


def test_the_tables_are_those_of_the_scores():
    scores, expected = read_scores(RUNS), {}
    if not scores.empty:
        table = trial_table(scores, RUNS)
        expected["table.csv"] = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        expected["table.md"] = report(scores, table, read_trials(FOLDER))
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("table.*")}
    assert found == expected


def test_every_trial_ran_at_a_commit():
    """Code and settings were those of a commit, which can be compared with that of the rules."""
    assert {trial: run.commit for trial, run in RUNS.items() if len(run.commit) != 40} == {}


def test_published_students_are_small_and_matte():
    assert len(PUBLISHED) == 3 * 6
    assert sum(path.stat().st_size for folder in PUBLISHED for path in folder.iterdir()) <= 14e6
    assert Matter.load(PUBLISHED[0], "cpu")(*photo(64, 64)).shape == (64, 64)
