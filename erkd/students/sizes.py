"""Three sizes of student; docs/decisions.md has their parameters and operations."""

from erkd.params import StudentParams
from erkd.students.student import StudentConfig

SIZES = {  # levels of the backbone, whether the last ends early, whether they see half the size; width of the rest
    "nano": (4, True, True, 16),
    "small": (4, False, True, 32),
    "base": (5, False, False, 64),
}


def size_of(config: StudentConfig) -> str:
    """The name of a student's size; of one that has none of these, its levels and width."""
    shape = (config.stages, config.trim, config.half, config.width)
    names = [name for name, known in SIZES.items() if known == shape]
    short = ", the last ending early," if config.trim else ""
    half = " at half the resolution" if config.half else ""
    return names[0] if names else f"{config.stages} levels{short} of width {config.width}{half}"


def student_config(params: StudentParams, text_shape: tuple[int, ...]) -> StudentConfig:
    """The shape of the student that `params` ask for, with room for a dictionary of `text_shape` (K, D)."""
    stages, trim, half, width = SIZES[params.size]
    prompts, embed_dim = text_shape
    return StudentConfig(
        backbone=params.backbone,
        stages=stages,
        width=width,
        edge_module=params.edge_module,
        dictionary=params.dictionary,
        prompts=prompts,
        embed_dim=embed_dim,
        trim=trim,
        half=half,
    )
