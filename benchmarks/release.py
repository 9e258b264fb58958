"""Score the students that ship beside the classical methods, and prove the figures that the project states.

`python -m benchmarks.release --photographs DIR --judge DIR [--write]`: every method on the nine photographs and on
the path-traced scenes of judge/, with both trimaps, and on the release's procedural test set (drawn when it is
missing). With `--write` the figures go to `release/scores.csv`, docs/results.md, the README's rows and the cards;
without, they are compared with it and the first steps of every shipped training are replayed. The last line is a
JSON object; the exit status is 1 when a figure differs. `--tables` scores nothing: it writes both tables from
`release/scores.csv`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.documents import README, RESULTS, put_between
from erkd.data.sources.alphamatting import list_samples
from erkd.evaluation.baselines import MEAN, run_baselines
from erkd.evaluation.bootstrap import mean_scores
from erkd.evaluation.costs import typical
from erkd.evaluation.printing import METHOD_NAMES, OFFICIAL
from erkd.evaluation.scores import ScoreRow, predict_samples, score_samples, significant
from erkd.experiments.release import WEIGHTS, ReleaseRow, replay
from erkd.experiments.trials import prepare_trial
from erkd.inference.matter import Matter
from erkd.io.files import InputError, check_hash, read_json, write_json
from erkd.io.tables import Sample, list_composites, read_results, write_results
from erkd.params import load_params

ROOT = Path("release")
SCORES = ROOT / "scores.csv"
CLASSICAL = ("closed_form", "knn", "shared_sampling")
SIZES = tuple(sorted(folder.name for folder in WEIGHTS.glob("*/")))
MARKS = "<!-- release -->", "<!-- end -->"
NAMES = {"Trimap1": "narrow", "Trimap2": "wide"}
JUDGE = "judge "  # before the name of a trimap
ORDER = (*NAMES.values(), *(JUDGE + name for name in NAMES.values()), "test")
TOLERANCE = 0.01  # of SAD: another processor rounds elsewhere
DATA = ("library", "composite", "trimap")


def sets(photographs: Path | None, judge: Path | None) -> dict[str, list[Sample]]:
    """The samples by set: photographs and the judge's scenes by trimap, where given, and the drawn test set."""
    if not (ROOT / "data/trimaps").is_dir():
        for stage in DATA:
            subprocess.run([sys.executable, "-m", f"pipeline.{stage}", "--root", ROOT], check=True)
    found = {"test": list_composites(ROOT / "data/composites", ROOT / "data/trimaps", "test")}
    for folder, prefix in ((judge, JUDGE), (photographs, "")):
        samples = list_samples(folder) if folder else []
        for group, name in NAMES.items():
            if chosen := [sample for sample in samples if sample.group == group]:
                found[prefix + name] = chosen
    return found


def rows_of(name: str, samples: list[Sample]) -> list[ReleaseRow]:
    """Every method's row on one set; predictions lie under release/reports."""
    folder = ROOT / "reports/predictions" / name
    costs = run_baselines(samples, CLASSICAL, folder, folder / "done")  # minutes, kept for the next time
    seconds = {method: cost["seconds"] for method, cost in costs.items()}
    parameters = dict.fromkeys((*CLASSICAL, MEAN), 0)
    for size in SIZES:
        matter = Matter.load(WEIGHTS / size, "cpu")
        seconds[size] = typical(predict_samples(matter, samples, folder / size))["seconds"]
        parameters[size] = read_json(WEIGHTS / size / "onnx.json")["parameters"]
    scored: dict[str, list[ScoreRow]] = {m: score_samples(samples, m, folder / m) for m in parameters}
    sad = {method: np.array([row.scores.sad for row in rows]) for method, rows in scored.items()}
    best = np.min([sad[method] for method in CLASSICAL], axis=0)
    result = []
    for method, rows in scored.items():
        mean, ratios = mean_scores([row.scores for row in rows]), sad[method] / best
        result.append(
            ReleaseRow(
                set=name,
                method=method,
                **{metric: significant(mean[metric]) for metric in ("sad", "mse", "grad", "conn")},
                ratio=significant(float(np.exp(np.log(ratios).mean()))),
                worst=significant(float(ratios.max())),
                seconds=seconds[method],
                parameters=parameters[method],
            )
        )
    return result


def title(method: str) -> str:
    """A method in words; students by size."""
    return METHOD_NAMES.get(method, f"`{method}`")


def table(lines: Sequence[Sequence[str]]) -> str:
    """Markdown of lines of cells, the first one the head."""
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])


def figures(row: ReleaseRow) -> list[str]:
    """SAD, MSE x 1000, Grad, Conn."""
    return [metric.text(getattr(row, metric.key)) for metric in OFFICIAL]


def cost(row: ReleaseRow) -> list[str]:
    """Seconds and parameters."""
    return [f"{row.seconds:.2f}", f"{row.parameters / 1e6:.2f} M" if row.parameters else "0"]


def readme_table(rows: list[ReleaseRow]) -> str:
    """The students that ship, then the classical methods, on photographs with narrow trimaps."""
    shown = [row for row in rows if row.set == "narrow" and row.method in (*SIZES, *CLASSICAL, MEAN)]
    best = min(row.sad for row in shown if row.method in CLASSICAL)
    head = ["method", "SAD", "MSE x 1000", "Grad", "Conn", "SAD / best classical", "seconds", "parameters"]
    lines = [
        [title(row.method), *figures(row), f"{row.sad / best:.2f}", *cost(row)]
        for row in sorted(shown, key=lambda row: (not row.parameters, row.sad))
    ]
    return table([head, *lines])


def trained_for(size: str) -> str:
    """In words, the steps, where they went on from, the seed and the device."""
    card = read_json(WEIGHTS / size / "card.json")
    start = card["settings"]["distill"]["init_from"]
    given = f" from `release/starts/{Path(start).name}`" if start else ""
    return f"`{size}` {card['steps']} steps{given}, seed {card['data_seed']}, {card['hardware']}"


def results_table(rows: list[ReleaseRow]) -> str:
    """Every method on every set, and how the figures came about."""
    trained = "; ".join(trained_for(size) for size in SIZES)
    head = [
        "method", "set", "SAD", "MSE x 1000", "Grad", "Conn",
        "SAD / best classical, per image: geometric mean, worst", "seconds", "parameters",
    ]  # fmt: skip
    lines = [
        [title(row.method), row.set, *figures(row), f"{row.ratio:.2f}, {row.worst:.2f}", *cost(row)]
        for row in sorted(rows, key=lambda row: (ORDER.index(row.set), -row.parameters))
    ]
    return f"""Written by `python -m benchmarks.release --photographs DIR --judge DIR --write` from
`release/scores.csv`. Trained: {trained}. One training each, so there is no interval over seeds. Sets: `narrow` and
`wide` are the nine development photographs with either trimap, `judge` the path-traced scenes of
[judge/](../judge/README.md), `test` the drawn test composites of `release/params.yaml`. Means over the unknown
region; SAD, Grad and Conn in thousands; seconds are processor time of one image on a shared machine.

{table([head, *lines])}

How much better the nine photographs look, by which priors and data were once chosen, than scenes of another hand:

{optimism_table(rows)}"""


def optimism_table(rows: list[ReleaseRow]) -> str:
    """Mean SAD over the best classical method's, by student: on what it was developed with, and on the judge."""
    names = [name for name in ORDER[:-1] if any(row.set == name for row in rows)]
    sad = {(row.set, row.method): row.sad for row in rows}
    best = {name: min(sad[name, method] for method in CLASSICAL) for name in names}
    lines = [[f"`{size}`", *(f"{sad[name, size] / best[name]:.2f}" for name in names)] for size in SIZES]
    return table([["mean SAD / best classical", *names], *lines])


def write_tables(rows: list[ReleaseRow]) -> None:
    """Put both tables between the marks of their documents."""
    for path, text in ((README, readme_table(rows)), (RESULTS, results_table(rows))):
        put_between(MARKS, text, path)


def main() -> None:
    """Score, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder in the layout of alphamatting.com")
    parser.add_argument("--judge", type=Path, help="folder that `python -m judge.render` made")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    if arguments.tables:
        return write_tables(read_results(SCORES, ReleaseRow, "scores"))
    try:
        found = sets(arguments.photographs, arguments.judge)
    except InputError as error:
        parser.error(str(error))
    rows = [row for name, samples in found.items() for row in rows_of(name, samples)]
    sad = {f"{row.set}/{row.method}": row.sad for row in rows}
    if arguments.write:
        write_results(rows, SCORES)
        write_tables(rows)
        for size in SIZES:
            card = WEIGHTS / size / "card.json"
            scores = {row.set: asdict(row) for row in rows if row.method == size}
            write_json(read_json(card) | {"scores": scores}, card)
        print(json.dumps(sad))
        return
    stated = {f"{row.set}/{row.method}": row.sad for row in read_results(SCORES, ReleaseRow, "scores")}
    differing = {
        name: [value, stated[name]] for name, value in sad.items() if abs(value / stated[name] - 1) > TOLERANCE
    }
    replayed = {}
    for name in SIZES:
        folder = WEIGHTS / name
        check_hash(folder / "student.safetensors", read_json(folder / "card.json")["sha256"], "take it anew")
        project = prepare_trial(ROOT, name, load_params(ROOT / "params.yaml").seed).folder
        if (ROOT / "data/features").is_dir():
            replayed[name] = replay(project, load_params(project / "params.yaml"), folder / "history.csv")
    print(json.dumps({"sad": sad, "differing": differing, "replayed": replayed}))
    sys.exit(bool(differing) or any(difference > TOLERANCE for difference in replayed.values()))


if __name__ == "__main__":
    main()
