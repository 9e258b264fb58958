"""The three sizes of student that `student.size` names (docs/decisions/015)."""

from typing import Any

from erkd.params import StudentParams
from erkd.students.student import StudentConfig

# fields of StudentConfig, which documents them
SIZES: dict[str, dict[str, Any]] = {
    "nano": {"stages": 4, "trim": True, "half": True, "width": 16, "coarse": True},
    "small": {"stages": 4, "trim": False, "half": True, "width": 32, "coarse": False},
    "base": {"stages": 5, "trim": False, "half": False, "width": 64, "coarse": False},
}
SHAPE = SIZES["nano"].keys()  # the fields of StudentConfig that a size decides


def size_of(config: StudentConfig) -> str:
    """The name of a student's size, or a description of its architecture when it has none of these."""
    shape = {field: getattr(config, field) for field in SHAPE}
    names = [name for name, known in SIZES.items() if known == shape]
    short = ", the last ending early," if config.trim else ""
    half = " at half the resolution" if config.half else ""
    coarse = " with coarse cues" if config.coarse else ""
    return names[0] if names else f"{config.stages} levels{short} of width {config.width}{half}{coarse}"


def student_config(params: StudentParams, text_shape: tuple[int, ...]) -> StudentConfig:
    """The configuration that `params` ask for, with a dictionary of `text_shape` (prompts K, dimension D)."""
    prompts, embed_dim = text_shape
    return StudentConfig(
        backbone=params.backbone,
        edge_module=params.edge_module,
        dictionary=params.dictionary,
        prompts=prompts,
        embed_dim=embed_dim,
        padding="replicate_past_edges",
        **SIZES[params.size],
    )
