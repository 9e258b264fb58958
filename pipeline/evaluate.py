"""Score the student, as users run it, beside the baselines. Reads models/, data/; writes data/predictions/<set>,
metrics.json and per_image.csv in reports/."""

from contextlib import ExitStack
from pathlib import Path

from erkd.evaluation.bootstrap import write_scores
from erkd.evaluation.costs import clock_of, typical, write_costs
from erkd.evaluation.scores import STUDENT, predict_samples, score_set
from erkd.evaluation.student import open_student, student_loader
from erkd.params import Params
from pipeline.common.sets import list_methods, list_set, reports_of, resumable_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, set: str) -> None:
    """ONNX Runtime runs the student on the CPU, PyTorch on CUDA: what `erkd matte` does."""
    matter, rows = open_student(root, params), []
    device, load = matter.engine.device, student_loader(root, params)
    with ExitStack() as unfinished:
        for name in ("test", "validation") if set == "test" else (set,):
            samples, out_dir = list_set(root, params, name), root / "data/predictions" / name
            made, done = unfinished.enter_context(resumable_set(root, "evaluate", name, out_dir, device))
            costs = predict_samples(matter, samples, made, clock_of(device), done, load)
            rows += score_set(samples, made, list_methods(root, name), done)
            write_costs({STUDENT: typical(costs)}, root / "reports", "evaluate", name)
        write_scores(rows, reports_of(root, set), params.evaluate.bootstrap, params.seed)


if __name__ == "__main__":
    run_stage("evaluate", main, set="test")
