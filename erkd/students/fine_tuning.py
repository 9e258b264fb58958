"""Fine-tuning: initialise a student from a trained one."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from erkd.io.files import InputError
from erkd.students.multimodal_fusion import build_dictionary
from erkd.students.sizes import SHAPE, size_of
from erkd.students.student import Student, StudentConfig, build_student, load_student


def given_student(root: Path, folder: str | None) -> Path | None:
    """Resolve `distill.init_from` below `root`. Raises InputError for the folder that training overwrites."""
    if folder is None:
        return None
    own = root / "models/student"
    if (root / folder).resolve() == own.resolve():
        raise InputError(
            f"distill.init_from {folder}: training writes this folder anew; give a copy "
            f"(dvc checkout {own} && cp -r {own} {root / 'models/start'})"
        )
    return root / folder


def student_maker(given: Path | None, config: StudentConfig, text: Tensor, pretrained: bool) -> Callable[[], Student]:
    """Return a factory of initialised students, for the student itself and for a peer.

    Args:
        given: Folder of the student to fine-tune; None for newly initialised ones.
        config: The students' configuration.
        text: Prompt embeddings of the teacher, K x D, rows of unit length.
        pretrained: Whether a new encoder starts from ImageNet weights.
    """
    if given is None:
        return partial(build_student, config, text, pretrained)
    return partial(start_from, given, config, text)


def start_from(folder: Path, config: StudentConfig, text: Tensor) -> Student:
    """Load the student in `folder` for further training under `config`.

    A fixed dictionary is replaced by the present teacher's prompt embeddings `text` (K x D), which the losses are
    computed with; a learned one is kept, as all other weights. No setting decides a dilation, which is the given
    student's, or padding, which is `config`'s: it has no weights, and BatchNorm soon has its statistics. Raises
    InputError that lists settings that differ.
    """
    given = load_student(folder)
    config = replace(config, dilation=given.config.dilation)
    replaced = config.dictionary in ("text", "shuffled")
    accepted = replace(given.config, padding=config.padding)
    if replaced:
        accepted = replace(accepted, prompts=config.prompts)
    own, found = _settings(config), _settings(accepted)
    unequal = [
        f"{name} is {own[name]}, the given student's {found[name]}" for name in own if own[name] != found[name]
    ]
    if unequal:
        raise InputError(f"distill.init_from {folder}: {'; '.join(unequal)}; set them alike in params.yaml")
    student = Student(config)
    weights = given.state_dict()
    if replaced:
        weights["fusion.dictionary"] = build_dictionary(config.dictionary, text)
    student.load_state_dict(weights)
    return student


def _settings(config: StudentConfig) -> dict[str, object]:
    """The architecture, keyed by the settings of params.yaml that decide it, for messages."""
    elsewhere = {"embed_dim": "teacher.embed_dim", "prompts": "the number of the teacher's prompts"}
    parts = {name: value for name, value in asdict(config).items() if name not in SHAPE}
    named = {elsewhere.get(name, f"student.{name}"): value for name, value in parts.items()}
    return {"student.size": size_of(config), **named}
