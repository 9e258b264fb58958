"""A student that goes on from a given one: fine-tuning on other data."""

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
    """The folder of the student to fine-tune, or None. Raises InputError for the folder that training writes."""
    if folder is None:
        return None
    own = root / "models/student"
    if (root / folder).resolve() == own.resolve():
        raise InputError(
            f"distill.init_from {folder}: training writes this folder anew; give a copy "
            f"(dvc checkout {own} && cp -r {own} {root / 'models/start'})"
        )
    return root / folder


def student_maker(
    given: Path | None, config: StudentConfig, text: Tensor, pretrained: bool
) -> Callable[[], Student]:
    """A function that makes students ready for training, peers as well: the one in `given`, else fresh ones."""
    if given is None:
        return partial(build_student, config, text, pretrained)
    return partial(start_from, given, config, text)


def start_from(folder: Path, config: StudentConfig, text: Tensor) -> Student:
    """The student saved in `folder`, ready to be trained on as `config` says.

    All its weights are taken over but the dictionary, which belongs to the teacher that it was distilled from:
    the embeddings `text` K x D of the present teacher's prompts replace it, for the losses speak of these. A
    learned dictionary is a weight and stays. Raises InputError that names both where shapes differ.
    """
    given = load_student(folder)
    replaced = config.dictionary in ("text", "shuffled")
    shape = replace(given.config, prompts=config.prompts) if replaced else given.config
    own, found = _settings(config), _settings(shape)
    unequal = [
        f"{name} is {own[name]}, the given student's {found[name]}"
        for name in own
        if own[name] != found[name]
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
    """A student's shape by where params.yaml decides it."""
    elsewhere = {"embed_dim": "teacher.embed_dim", "prompts": "the number of the teacher's prompts"}
    parts = {name: value for name, value in asdict(config).items() if name not in SHAPE}
    named = {elsewhere.get(name, f"student.{name}"): value for name, value in parts.items()}
    return {"student.size": size_of(config), **named}
