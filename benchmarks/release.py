"""Score the students that ship beside the classical methods, and prove the figures that the project states.

`python -m benchmarks.release --photographs DIR [--write]`: every method on the nine photographs with both trimaps
and on the release's procedural test set (drawn when it is missing). With `--write` the figures go to
`release/scores.csv`, the README's table and the cards; without, they are compared with it and the first steps
of every shipped training are replayed. The last line is a JSON object; the exit status is 1 when a figure differs.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.transfer import CLASSICAL
from erkd.data.sources.alphamatting import list_samples
from erkd.evaluation.baselines import MEAN, run_baselines
from erkd.evaluation.bootstrap import mean_scores
from erkd.evaluation.costs import typical
from erkd.evaluation.printing import OFFICIAL
from erkd.evaluation.scores import ScoreRow, predict_samples, score_samples, significant
from erkd.experiments.release import CONTROL, START, WEIGHTS, ReleaseRow, publish_folder, replay
from erkd.experiments.trials import prepare_trial
from erkd.inference.matter import Matter
from erkd.io.files import check_hash, read_json, write_json, write_text
from erkd.io.tables import Sample, list_composites, read_results, write_results
from erkd.params import load_params

ROOT = Path("release")
SCORES = ROOT / "scores.csv"
SIZES = tuple(sorted(folder.name for folder in WEIGHTS.glob("*/")))
PUBLISHED = WEIGHTS, ROOT / "controls", ROOT / "starts"
STUDENTS = {folder.name: folder for parent in PUBLISHED for folder in parent.glob("*/")}
README, MARKS = Path("README.md"), ("<!-- release -->", "<!-- end -->")
NAMES = {"Trimap1": "narrow", "Trimap2": "wide"}
ORDER = (*NAMES.values(), "test")
TOLERANCE = 0.01  # of SAD: another processor rounds elsewhere
DATA = ("library", "composite", "trimap")


def sets(photographs: Path | None) -> dict[str, list[Sample]]:
    """The samples by set: the photographs with either trimap, where there are any, and the drawn test set."""
    if not (ROOT / "data/trimaps").is_dir():
        for stage in DATA:
            subprocess.run([sys.executable, "-m", f"pipeline.{stage}", "--root", ROOT], check=True)
    found = {"test": list_composites(ROOT / "data/composites", ROOT / "data/trimaps", "test")}
    samples = list_samples(photographs) if photographs else []
    return {
        name: [s for s in samples if s.group == group] for group, name in NAMES.items() if samples
    } | found


def rows_of(name: str, samples: list[Sample]) -> list[ReleaseRow]:
    """Every method's row on one set; predictions lie under release/reports."""
    folder = ROOT / "reports/predictions" / name
    costs = run_baselines(samples, CLASSICAL, folder, folder / "done")  # minutes, kept for the next time
    seconds = {method: cost["seconds"] for method, cost in costs.items()}
    parameters = dict.fromkeys((*CLASSICAL, MEAN), 0)
    for student, published in STUDENTS.items():
        matter = Matter.load(published, "cpu")
        seconds[student] = typical(predict_samples(matter, samples, folder / student))["seconds"]
        parameters[student] = read_json(published / "onnx.json")["parameters"]
    scored: dict[str, list[ScoreRow]] = {m: score_samples(samples, m, folder / m) for m in parameters}
    sad = {method: np.array([row.scores.sad for row in rows]) for method, rows in scored.items()}
    best = np.min([sad[method] for method in CLASSICAL], axis=0)
    result = []
    for method, rows in scored.items():
        mean, ratios = mean_scores([row.scores for row in rows]), sad[method] / best
        result.append(
            ReleaseRow(
                name,
                method,
                *(significant(mean[metric.key]) for metric in OFFICIAL),
                significant(float(np.exp(np.log(ratios).mean()))),
                significant(float(ratios.max())),
                seconds[method],
                parameters[method],
            )
        )
    return result


def readme_table(rows: list[ReleaseRow]) -> str:
    """The rows as the README's table; MSE is printed x 1000, parameters in millions."""
    columns = (
        "method", "set", "SAD", "MSE x 1000", "Grad", "Conn",
        "SAD / best classical, per photo: geometric mean, worst", "seconds", "parameters",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in sorted(rows, key=lambda row: (ORDER.index(row.set), -row.parameters)):
        name = row.method
        if row.parameters:
            first = " before highlights" if name.endswith(START) else ""
            control = name.removesuffix(START).endswith(CONTROL)
            size = name.removesuffix(START).removesuffix(CONTROL)
            name = f"`{size}`{' without distillation' if control else ''}{first}"
        scores = " | ".join(metric.text(getattr(row, metric.key)) for metric in OFFICIAL)
        parameters = f"{row.parameters / 1e6:.2f} M" if row.parameters else "0"
        lines.append(
            f"| {name} | {row.set} | {scores} | {row.ratio:.2f}, {row.worst:.2f} | {row.seconds:.2f} | {parameters} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Score, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder in the layout of alphamatting.com")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = [row for name, samples in sets(arguments.photographs).items() for row in rows_of(name, samples)]
    sad = {f"{row.set}/{row.method}": row.sad for row in rows}
    if arguments.write:
        write_results(rows, SCORES)
        text = README.read_text(encoding="utf-8")
        before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
        table = f"{MARKS[0]}\n{readme_table(rows)}\n{MARKS[1]}"
        write_text(before + table + after, README)
        for size in SIZES:
            card = WEIGHTS / size / "card.json"
            scores = {row.set: asdict(row) for row in rows if row.method == size}
            write_json(read_json(card) | {"scores": scores}, card)
        print(json.dumps(sad))
        return
    stated = {f"{row.set}/{row.method}": row.sad for row in read_results(SCORES, ReleaseRow, "scores")}
    differing = {
        name: [value, stated[name]]
        for name, value in sad.items()
        if abs(value / stated[name] - 1) > TOLERANCE
    }
    replayed = {}
    for name in (*SIZES, *(folder.name for folder in (ROOT / "starts").glob("*/"))):
        folder = publish_folder(ROOT, name)
        check_hash(folder / "student.safetensors", read_json(folder / "card.json")["sha256"], "take it anew")
        project = prepare_trial(ROOT, name, load_params(ROOT / "params.yaml").seed).folder
        if (ROOT / "data/features").is_dir():
            replayed[name] = replay(project, load_params(project / "params.yaml"), folder / "history.csv")
    print(json.dumps({"sad": sad, "differing": differing, "replayed": replayed}))
    sys.exit(bool(differing) or any(difference > TOLERANCE for difference in replayed.values()))


if __name__ == "__main__":
    main()
