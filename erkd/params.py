"""`params.yaml` as frozen, strictly checked dataclass-like models: one section per stage, no defaults in code."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from erkd.io.files import InputError

SHORT = reprlib.Repr()  # of what may be nested without an end
SHORT.maxlevel, SHORT.maxstring = 2, 120

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Baseline = Literal["interpolation", "closed_form", "knn", "shared_sampling"]


class Section(BaseModel):
    """Base of every section: no unknown keys, no conversion between types, no change after loading."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Splits(Section):
    """A count for each split."""

    train: Count
    validation: Count
    test: Count


class DataParams(Section):
    """Where foregrounds and backgrounds come from. `size` is the longer side of a procedural layer, pixels.

    `photographs` is a folder whose pictures the procedural source uses as well, for backgrounds and textures.
    """

    source: Literal["procedural", "alphamatting", "composition1k", "distinctions646", "folder"]
    root: str | None
    backgrounds_root: str | None
    photographs: str | None
    size: Annotated[int, Field(ge=64, le=4096)]
    foregrounds: Splits
    backgrounds: Splits


class CompositeParams(Section):
    """How many composites each foreground of a split is placed in; the share that gets camera effects."""

    per_foreground: Splits
    effects: Fraction


class TrimapParams(Section):
    """Radii in pixels of an image whose longer side is 800, drawn log-uniformly, each side by itself."""

    min_radius: Annotated[int, Field(ge=1, le=200)]
    max_radius: Annotated[int, Field(ge=1, le=200)]
    whole_object: Fraction


class ValidateParams(Section):
    """Bounds on the share of unknown pixels in a trimap."""

    min_unknown: Fraction
    max_unknown: Fraction


class BaselinesParams(Section):
    """Methods to run beside the student, PyMatting's and distance interpolation; and folders of predictions
    made elsewhere, by name: a file per sample of the test set, or such a folder for each set."""

    methods: Annotated[list[Baseline], Field(min_length=1)]
    folders: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], str]


class WrongTrimapsParams(Section):
    """Wrong trimaps: on how many test images they are tried, and with which methods beside the student."""

    images: Natural
    methods: Annotated[list[Baseline], Field(min_length=1)]


class TeacherParams(Section):
    """`bootstrap` tunes a small CLIP here; `open_clip` loads `model` with `pretrained` (tag, file or null)."""

    source: Literal["bootstrap", "open_clip"]
    model: str
    pretrained: str | None
    image_size: Annotated[int, Field(ge=64, le=1024)]
    output_stride: Literal[16, 32]
    embed_dim: Annotated[int, Field(ge=16, le=2048)]
    steps: Count
    batch_size: Annotated[int, Field(ge=2, le=4096)]
    learning_rate: Positive
    region_weight: NonNegative
    cell_weight: NonNegative


class FeaturesParams(Section):
    """Dense teacher features, computed once per image of each of `kinds`, on one or two `levels`.

    `pca` is how many channels are kept, null for all. With `online` the teacher runs while the student trains.
    """

    kinds: Annotated[list[Literal["composites", "layers"]], Field(min_length=1)]
    levels: Literal[1, 2]
    pca: Annotated[int, Field(ge=1)] | None
    online: bool
    batch_size: Count


class StudentParams(Section):
    """`backbone` is any timm feature network, `size` how much of it is used and how wide the rest is
    (`erkd/students/sizes.py`); `dictionary` is what MFFM attends to.
    """

    backbone: str
    pretrained: bool
    size: Literal["nano", "small", "base"]
    edge_module: bool
    dictionary: Literal["text", "learned", "shuffled", "none"]


class ErkdParams(Section):
    """Weights of ERKD's parts: feature cosine, patch-text KL, edges; and the gain of unknown cells.

    `target` says whether CLIP speaks of the crop, as mixed from its layers, or of each layer by itself.
    """

    weight: NonNegative
    target: Literal["mixed", "layered"]
    feature: NonNegative
    text: NonNegative
    edge: NonNegative
    unknown_gain: Annotated[float, Field(ge=1)]


class BcdParams(Section):
    """Weights of boundaries and of context, and the temperature of the latter's softmax."""

    weight: NonNegative
    boundary: NonNegative
    context: NonNegative
    temperature: Positive


class FrskdParams(Section):
    """Weights of the self-teacher's alpha and attention, which rise from the share `start` of all steps on."""

    weight: NonNegative
    response: NonNegative
    attention: NonNegative
    start: Annotated[float, Field(ge=0, lt=1)]


class FfclParams(Section):
    """Weight of what peers and fusion teach each other, in full force after the share `ramp` of all steps."""

    weight: NonNegative
    mutual: NonNegative
    ramp: Fraction


class FbParams(Section):
    """The gain of unknown cells, as in `erkd`."""

    weight: NonNegative
    unknown_gain: Annotated[float, Field(ge=1)]


class MattingParams(Section):
    """A matting teacher: the folder of a trained student, and the radius of its narrower trimap in pixels of a
    crop (null: the pupil's trimap); weights of similarities at stride 8 and of its alpha.
    """

    weight: NonNegative
    teacher: str | None
    narrow: Annotated[int, Field(ge=0, le=64)] | None
    similarity: NonNegative
    alpha: NonNegative


class KdParams(Section):
    """Distillation: the methods (none is plain training), and the global weight over all of them.

    It rises over the share `warmup` of all steps and falls to 0 over the last share `ramp_down`.
    """

    methods: list[Literal["erkd", "bcd", "frskd", "ffcl", "fb", "matting"]]
    weight: NonNegative
    warmup: Fraction
    ramp_down: Fraction
    erkd: ErkdParams
    bcd: BcdParams
    frskd: FrskdParams
    ffcl: FfclParams
    fb: FbParams
    matting: MattingParams


class DistillParams(Section):
    """Optimisation of the student.

    `init_from` is the folder of a given student to fine-tune, seen from the root. `compositing` says whether
    training batches are composited live from the library's layers, `second_foreground` of them with a
    second foreground, `linear_light` of them mixed in linear light (`photometry.mix`) and `highlights` of them with
    highlights on the foreground (`photometry.highlights`), or cut from the stored composites.
    """

    init_from: str | None
    compositing: Literal["live", "stored"]
    second_foreground: Fraction
    linear_light: Fraction
    highlights: Fraction
    steps: Count
    batch_size: Count
    crop: Annotated[int, Field(ge=64, le=2048, multiple_of=32)]
    learning_rate: Positive
    weight_decay: NonNegative
    warmup: Fraction
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    validate_every: Count
    laplacian: NonNegative


class EvaluationSet(Section):
    """A further set to score: its layout and the folder it lies in."""

    layout: Literal["alphamatting"]
    root: str


class EvaluateParams(Section):
    """Further sets beside the test split, by name; and how many bootstrap samples the intervals rest on."""

    sets: dict[str, EvaluationSet]
    bootstrap: Count


class ExportParams(Section):
    """ONNX opset, and the largest absolute difference from PyTorch that is accepted."""

    opset: Annotated[int, Field(ge=18, le=23)]
    tolerance: Positive


class RegisterParams(Section):
    """The registered model's name."""

    name: Annotated[str, Field(min_length=1)]


class ReportParams(Section):
    """How many cases of each kind, and how many gallery tiles."""

    cases: Count
    gallery: Count


class LaunchParams(Section):
    """What starts a stage: `python -m`, or e.g. `accelerate launch --num_processes 2 -m`."""

    distill: str = "python -m"


class Params(Section):
    """All of `params.yaml`."""

    seed: Natural
    device: Literal["auto", "cpu", "cuda"]
    threads: Natural
    deterministic: bool
    data: DataParams
    composite: CompositeParams
    trimap: TrimapParams
    validate_: Annotated[ValidateParams, Field(alias="validate")]  # `validate` is a method of BaseModel
    baselines: BaselinesParams
    wrong_trimaps: WrongTrimapsParams
    teacher: TeacherParams
    features: FeaturesParams
    student: StudentParams
    kd: KdParams
    distill: DistillParams
    evaluate: EvaluateParams
    export: ExportParams
    register_: Annotated[RegisterParams, Field(alias="register")]
    report: ReportParams
    launch: LaunchParams = LaunchParams()


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`. Raises InputError that lists every mistake at once."""
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the project's root or pass --root") from None
    except (
        YAMLError,
        OSError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:  # dates and numbers that are none
        raise InputError(f"{path}: not valid YAML: {error}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        mistakes = [f"  {_describe(mistake)}" for mistake in error.errors()]
        raise InputError("\n".join([f"{path}: {len(mistakes)} mistake(s)", *mistakes])) from None


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested settings by dotted key, as `kd.erkd.weight`; an empty mapping is a value."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def in_words(value: Any) -> str:
    """A setting's value for people: lists with commas, `none` for what is empty."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value == {} else str(value)


def _describe(mistake: Any) -> str:
    """One line: the key's path, what is allowed, what was found."""
    where = ".".join(str(part) for part in mistake["loc"]) or "the whole file"
    found = mistake["input"]
    if mistake["type"] == "extra_forbidden":
        return f"{where}: unknown key (value {SHORT.repr(found)})"
    if mistake["type"] == "missing":
        return f"{where}: missing key"
    allowed = mistake["msg"].removeprefix("Input should be ")
    return f"{where}: expected {allowed}; found {SHORT.repr(found)} ({type(found).__name__})"
