"""A student that goes on from a given one: fine-tuning on other data."""

from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from erkd.files import InputError
from erkd.students.multimodal_fusion import build_dictionary
from erkd.students.student import Student, StudentConfig, load_student


def start_from(folder: Path, config: StudentConfig, text: Tensor | None) -> Student:
    """The student saved in `folder`, ready to be trained on as `config` says.

    All its weights are taken over. Its dictionary belongs to the teacher that it was distilled from, so where
    this run distils, the embeddings `text` K x D of the present teacher's prompts replace it, for the losses
    speak of these; a learned dictionary is a weight and stays. `text` None: nothing is distilled, the
    dictionary stays too, and the start is exactly the given student. Raises InputError that names both where
    the two are not of one shape.
    """
    given = load_student(folder)
    replaced = text is not None and config.dictionary in ("text", "shuffled")
    if text is None:
        config = replace(config, prompts=given.config.prompts, embed_dim=given.config.embed_dim)
    elif replaced:
        config = replace(config, prompts=given.config.prompts)
    wanted = asdict(config)
    unequal = [
        f"{_setting(name)} is {wanted[name]}, the given student's {value}"
        for name, value in asdict(given.config).items()
        if wanted[name] != value
    ]
    if unequal:
        raise InputError(f"distill.init_from {folder}: {'; '.join(unequal)}; set them alike in params.yaml")
    if not replaced:
        return given
    assert text is not None
    student = Student(replace(config, prompts=len(text)))
    weights = given.state_dict()
    weights["fusion.dictionary"] = build_dictionary(config.dictionary, text)
    student.load_state_dict(weights)
    return student


def _setting(name: str) -> str:
    """Where params.yaml decides a part of a student's shape."""
    elsewhere = {"embed_dim": "teacher.embed_dim", "prompts": "the number of the teacher's prompts"}
    return elsewhere.get(name, f"student.{name}")
