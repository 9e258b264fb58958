"""The model card: what a registered student does, what it was made from, how good it is, what it cannot do."""

from collections.abc import Mapping, Sequence
from typing import Any

from erkd.params import flatten, in_words

LIMITS = (
    "It needs a trimap and believes it: known pixels come back as the trimap says, and what the trimap "
    "gets wrong stays wrong.",
    "Trained on crops of {crop} pixels of {source} data; on other objects, cameras and light it may be "
    "worse. Score it on photographs of your own (`evaluate.sets`) before relying on it.",
    "It gives alpha alone; the foreground's own colours have to be estimated from it.",
    "As a served model it takes PNG, JPEG and WebP images of at most 12.5 megapixels.",
)


def model_card(name: str, record: Mapping[str, Any], metrics: Mapping[str, Any], licences: Sequence[str]) -> str:
    """Markdown of the card.

    `record` is the content of `student.json`, `metrics` that of `reports/metrics.json`, `licences` those of
    the data that it was trained and measured on.
    """
    training = record["training"]
    kd, methods = training["kd"], training["kd"]["methods"]
    used = {key: value for key, value in kd.items() if key in methods or not isinstance(value, Mapping)}
    settings = flatten({key: training[key] for key in ("data", "student", "distill")} | {"kd": used})
    return "\n".join(
        [
            f"# {name}",
            "",
            "Estimates alpha from a photograph and a trimap (0 background, 128 unknown, 255 foreground); "
            f"{record['parameters'] / 1e6:.2f} M parameters. Input: base64 images; output: base64 PNG.",
            "",
            "## Data and licences",
            f"- Trained on {training['data']['source']} data; foregrounds and backgrounds are split",
            f"- Licences of the data: {'; '.join(licences)}{_unknown(licences)}",
            f"- Start: {_start(training)}",
            "",
            "## Metrics over the unknown region",
            "SAD, Grad and Conn in thousands, MSE x 1000; test data chose nothing.",
            "",
            "| data | method | SAD | MSE | Grad | Conn |",
            "|---|---|---|---|---|---|",
            *_scores(metrics),
            "",
            "## Known limits",
            *(f"- {limit.format(source=training['data']['source'], **training['distill'])}" for limit in LIMITS),
            "",
            "## Parameters",
            f"seed {training['seed']}, " + ", ".join(f"{key} {in_words(value)}" for key, value in settings.items()),
        ]
    )


def _unknown(licences: Sequence[str]) -> str:
    return " (unknown: whoever passes the model on has to find out)" if "unknown" in licences else ""


def _start(training: Mapping[str, Any]) -> str:
    if training["init_from_sha256"]:
        return f"the student {training['distill']['init_from']}, SHA-256 {training['init_from_sha256']}"
    start = "ImageNet" if training["student"]["pretrained"] else "random"
    return f"{training['student']['backbone']} with {start} weights, the rest random"


def _scores(metrics: Mapping[str, Any]) -> list[str]:
    """A row of the table for each method of each group; where nothing could be measured a cell says so."""
    scale = {"sad": 1, "mse": 1000, "grad": 1, "conn": 1}
    return [
        f"| {group} ({content['n']} images) | {method} | "
        + " | ".join("none" if values[name] is None else f"{values[name] * by:.2f}" for name, by in scale.items())
        + " |"
        for group, content in metrics.items()
        for method, values in content.items()
        if isinstance(values, Mapping)
    ]
