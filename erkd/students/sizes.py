"""Three sizes of student (docs/decisions/015)."""

from typing import Any

from erkd.params import StudentParams
from erkd.students.student import StudentConfig

# levels of the backbone, whether the last ends early, whether they see half the resolution; width of what follows;
# whether the first guess and the other cues are coarse; cells between the weights of MFFM's context
SIZES: dict[str, dict[str, Any]] = {
    "nano": {"stages": 4, "trim": True, "half": True, "width": 16, "coarse": True, "dilation": 1},
    "small": {"stages": 4, "trim": False, "half": True, "width": 32, "coarse": False, "dilation": 4},
    "base": {"stages": 5, "trim": False, "half": False, "width": 64, "coarse": False, "dilation": 1},
}
SHAPE = SIZES["nano"].keys()  # the fields of a StudentConfig that its size decides


def size_of(config: StudentConfig) -> str:
    """The name of a student's size; of one that has none of these, its levels and width."""
    shape = {field: getattr(config, field) for field in SHAPE}
    names = [name for name, known in SIZES.items() if known == shape]
    short = ", the last ending early," if config.trim else ""
    half = " at half the resolution" if config.half else ""
    coarse = " with coarse cues" if config.coarse else ""
    dilation = f" and dilation {config.dilation}"
    return (
        names[0]
        if names
        else f"{config.stages} levels{short} of width {config.width}{half}{coarse}{dilation}"
    )


def student_config(params: StudentParams, text_shape: tuple[int, ...]) -> StudentConfig:
    """The shape of the student that `params` ask for, with room for a dictionary of `text_shape` (K, D)."""
    prompts, embed_dim = text_shape
    return StudentConfig(
        backbone=params.backbone,
        edge_module=params.edge_module,
        dictionary=params.dictionary,
        prompts=prompts,
        embed_dim=embed_dim,
        **SIZES[params.size],
    )
