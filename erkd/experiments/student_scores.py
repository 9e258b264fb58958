"""Score a student image by image."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from erkd.evaluation.printing import OFFICIAL
from erkd.evaluation.scores import STUDENT, predict_samples, score_samples, significant
from erkd.experiments.image_scores import ImageRow
from erkd.inference.matter import Matter
from erkd.io.tables import Sample


def score_student(student: Path, sets: Mapping[str, Sequence[Sample]], device: str) -> list[ImageRow]:
    """Matte every sample as a user would and score it; alphas have the 8 bits of their files, and are not kept."""
    matter, rows = Matter.load(student, device), []
    for name, samples in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            predict_samples(matter, samples, Path(folder))
            scored = score_samples(samples, STUDENT, Path(folder))
        for row in scored:
            values = (significant(getattr(row.scores, metric.key)) for metric in OFFICIAL)
            rows.append(ImageRow(name, row.sample_id.removesuffix(f"-{row.group}"), row.group, *values))
    return rows
