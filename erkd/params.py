"""`params.yaml` as frozen, strict pydantic models: one section per stage; defaults only in `launch`."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from erkd.io.files import InputError

SHORT = reprlib.Repr()  # for messages, as values may be nested deeply
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
    """A count per split."""

    train: Count
    validation: Count
    test: Count


class DataParams(Section):
    """The source of foregrounds and backgrounds; `size` is the longer side of a procedural layer, pixels.

    `photographs` is a folder of further pictures for the procedural source's backgrounds and textures.
    """

    source: Literal["procedural", "alphamatting", "composition1k", "distinctions646", "folder"]
    root: str | None
    backgrounds_root: str | None
    photographs: str | None
    size: Annotated[int, Field(ge=64, le=4096)]
    foregrounds: Splits
    backgrounds: Splits


class CompositeParams(Section):
    """Composites per foreground of each split, and the shares with a defocused background and with camera effects."""

    per_foreground: Splits
    defocus: Fraction
    effects: Fraction


class TrimapParams(Section):
    """Erosion radii, drawn log-uniformly for foreground and background, in pixels at a longer side of 800.

    `whole_object` is the share of trimaps whose porous parts are unknown as a whole, `whole_flat` that of flat layers
    (flags, cards) of live composites that are unknown as a whole.
    """

    min_radius: Annotated[int, Field(ge=1, le=200)]
    max_radius: Annotated[int, Field(ge=1, le=200)]
    whole_object: Fraction
    whole_flat: Fraction


class ValidateParams(Section):
    """Bounds on the share of unknown pixels in a trimap."""

    min_unknown: Fraction
    max_unknown: Fraction


class BaselinesParams(Section):
    """Classical methods to run (PyMatting's, and distance interpolation); folders of external predictions by name.

    Such a folder holds a file per test sample, or a folder of such files per set.
    """

    methods: Annotated[list[Baseline], Field(min_length=1)]
    folders: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], str]


class WrongTrimapsParams(Section):
    """Robustness to wrong trimaps: how many test images, and which methods besides the student."""

    images: Natural
    methods: Annotated[list[Baseline], Field(min_length=1)]


class TeacherParams(Section):
    """The teacher: `bootstrap` trains a small CLIP-style model, `open_clip` loads `model` with `pretrained`.

    `backbone` is the bootstrap's image tower; `region_weight` and `cell_weight` weigh its contrastive losses on
    regions and on cells, `word_weight` that of its text tower on the words of ImageNet: 0 leaves them out.
    """

    source: Literal["bootstrap", "open_clip"]
    model: str
    pretrained: str | None
    backbone: Literal["tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"]
    image_size: Annotated[int, Field(ge=64, le=1024)]
    output_stride: Literal[16, 32]
    embed_dim: Annotated[int, Field(ge=16, le=1024)]
    steps: Count
    batch_size: Annotated[int, Field(ge=2, le=4096)]
    learning_rate: Positive
    region_weight: NonNegative
    cell_weight: NonNegative
    word_weight: NonNegative


Resolution = Literal["own", "teacher"]


class FeaturesParams(Section):
    """The cache of dense teacher features: `kinds` of images, number of `levels`, principal components kept by `pca`.

    `resolution` is the images' own, or the teacher's square input. With `online` the teacher runs in every training
    step instead, as a control.
    """

    kinds: Annotated[list[Literal["composites", "layers"]], Field(min_length=1)]
    resolution: Resolution
    levels: Literal[1, 2]
    pca: Annotated[int, Field(ge=1)] | None
    online: bool
    batch_size: Count


class StudentParams(Section):
    """The student: timm `backbone`, `size` (`erkd/students/sizes.py`) and the `dictionary` that MFFM attends to."""

    backbone: str
    pretrained: bool
    size: Literal["nano", "small", "base"]
    edge_module: bool
    dictionary: Literal["text", "learned", "shuffled", "none"]


class ErkdParams(Section):
    """Weights of ERKD's losses (features, patch-text KL, edges), and of cells that touch the unknown region.

    `target` chooses CLIP's features of the crop, mixed from its layers', or of each layer separately. `codes` are an
    image's own, or as a control another's of its kind. `loss` is the distance of features, `temperature` that of the
    softmax over texts. `edge_target` is what edge maps are compared with, over the first share `edge_until` of all
    steps with falling weight.
    """

    weight: NonNegative
    target: Literal["mixed", "layered"]
    codes: Literal["own", "exchanged"]
    feature: NonNegative
    text: NonNegative
    edge: NonNegative
    unknown_gain: Annotated[float, Field(ge=1)]
    loss: Literal["cosine", "channel", "masked", "relation"]
    temperature: Positive
    edge_target: Literal["alpha", "coarse", "direction"]
    edge_until: Annotated[float, Field(gt=0, le=1)] | None


class BcdParams(Section):
    """Weights of BCD's boundary and context losses, and the temperature of the context's softmax."""

    weight: NonNegative
    boundary: NonNegative
    context: NonNegative
    temperature: Positive


class FrskdParams(Section):
    """Weights of FRSKD's response and attention losses, which ramp up from the share `start` of all steps on."""

    weight: NonNegative
    response: NonNegative
    attention: NonNegative
    start: Annotated[float, Field(ge=0, lt=1)]


class FfclParams(Section):
    """Weight of FFCL's mutual loss, which ramps up over the first share `ramp` of all steps."""

    weight: NonNegative
    mutual: NonNegative
    ramp: Fraction


class FbParams(Section):
    """The control `fb`, regression of the layers' colours; `unknown_gain` as in `erkd`."""

    weight: NonNegative
    unknown_gain: Annotated[float, Field(ge=1)]


class MattingParams(Section):
    """A matting teacher: the folder of a trained student, the radius of its narrower trimap in crop pixels (null: the
    student's trimap), and the weights of the losses on pairwise similarities at stride 8 and on alpha.
    """

    weight: NonNegative
    teacher: str | None
    narrow: Annotated[int, Field(ge=0, le=64)] | None
    similarity: NonNegative
    alpha: NonNegative


class KdParams(Section):
    """Distillation: the methods (an empty list is plain training) and their global weight.

    It ramps up over the first share `warmup` of all steps and down over the last share `ramp_down`.
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
    """Training of the student.

    `init_from` is the folder of a student to fine-tune. `compositing` chooses batches composited live from the
    library's layers, or cut from stored composites. Shares of live composites: `second_foreground` with two
    foregrounds, `linear_light` composited in linear light (`photometry.mix`), `highlights` with highlights on the
    foreground, `defocus` with a background that a lens puts out of focus (`erkd.data.lens`).

    `photographs` is how many crops of the library's photographs, which have no alpha, each batch gets beside its
    `batch_size` composites. Only the student's encoder sees them, for ERKD's feature and text losses.
    """

    init_from: str | None
    compositing: Literal["live", "stored"]
    second_foreground: Fraction
    linear_light: Fraction
    highlights: Fraction
    defocus: Fraction
    steps: Count
    batch_size: Count
    photographs: Natural
    crop: Annotated[int, Field(ge=64, le=2048, multiple_of=32)]
    learning_rate: Positive
    weight_decay: NonNegative
    warmup: Fraction
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    validate_every: Count
    laplacian: NonNegative


class EvaluationSet(Section):
    """A further test set: its layout and folder."""

    layout: Literal["alphamatting", "aim500", "p3m500"]
    root: str


class EvaluateParams(Section):
    """Test sets by name in addition to the test split, and the number of bootstrap samples for intervals."""

    sets: dict[str, EvaluationSet]
    bootstrap: Count


class ExportParams(Section):
    """ONNX opset, and the largest accepted difference of alpha from PyTorch."""

    opset: Annotated[int, Field(ge=18, le=23)]
    tolerance: Positive


class RegisterParams(Section):
    """The registered model's name."""

    name: Annotated[str, Field(min_length=1)]


class ReportParams(Section):
    """Numbers of cases of each kind and of gallery tiles in the report."""

    cases: Count
    gallery: Count


class LaunchParams(Section):
    """Where the work is done, which changes no result.

    `distill` is what starts a training: `python -m`, or e.g. `accelerate launch --num_processes 2 -m`. `rows` is
    where the stages that work row by row do so: `local`, a Dask scheduler's address, or the file that it writes.
    """

    distill: str = "python -m"
    rows: Annotated[str, StringConstraints(pattern=r"^(local|[a-z]+://\S+:\d+|.+\.json)$")] = "local"


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
    # some bad dates and numbers raise ValueError or OverflowError
    except (YAMLError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        mistakes = [f"  {_describe(mistake)}" for mistake in error.errors()]
        raise InputError("\n".join([f"{path}: {len(mistakes)} mistake(s)", *mistakes])) from None


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted keys, such as `kd.erkd.weight`; an empty mapping is a value."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def in_words(value: Any) -> str:
    """Format a setting's value: lists with commas, `none` for what is empty."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value == {} else str(value)


def _describe(mistake: Any) -> str:
    """One pydantic error as a line: the key's path, what is allowed, what was found."""
    where = ".".join(str(part) for part in mistake["loc"]) or "the whole file"
    found = mistake["input"]
    if mistake["type"] == "extra_forbidden":
        return f"{where}: unknown key (value {SHORT.repr(found)})"
    if mistake["type"] == "missing":
        return f"{where}: missing key"
    allowed = mistake["msg"].removeprefix("Input should be ")
    return f"{where}: expected {allowed}; found {SHORT.repr(found)} ({type(found).__name__})"
