"""A process that reads damaged files as erkd does; `tests/support/fuzzing.py` starts it and watches.

Standard input gives a kind and a folder, one a line; the answer is one line of JSON: what was said.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from erkd.io.files import InputError

OK = "read"


def attempt(*actions: Callable[[], object]) -> str:
    """What each action says; whatever is no InputError is a traceback, and ends it."""
    said = []
    for action in actions:
        try:
            action()
            said.append(OK)
        except InputError as error:
            said.append(str(error))
    return " | ".join(said)


class Targets:
    """What is done with the files of each kind. The student is opened once."""

    def __init__(self, student: Path) -> None:
        from erkd.inference.matter import Matter

        self.matter = Matter.load(student, "cpu")

    def image(self, folder: Path) -> str:
        from erkd.demo.services import cut_out, matte
        from erkd.inference import jobs, matte_files
        from erkd.inference.hints import TrimapFile
        from erkd.io import images

        damaged, trimap = folder / "damaged", folder / "trimap.png"
        job = jobs.Job(damaged, TrimapFile(trimap), folder / "out.png")
        content = damaged.read_bytes()
        return attempt(
            lambda: images.load_image(damaged),
            lambda: images.load_cutout(damaged),
            lambda: images.load_alpha(damaged),
            lambda: matte_files.write_matte(self.matter, job, matte_files.alpha_only),
            lambda: matte(self.matter, content, trimap.read_bytes()),
            lambda: cut_out(content, trimap.read_bytes()),
        )

    def trimap(self, folder: Path) -> str:
        from erkd.demo.services import matte
        from erkd.evaluation.scores import score_file
        from erkd.inference import jobs, matte_files
        from erkd.inference.hints import TrimapFile
        from erkd.io import images

        damaged, photo = folder / "damaged", folder / "photo.png"
        job = jobs.Job(photo, TrimapFile(damaged), folder / "out.png")
        return attempt(
            lambda: images.load_trimap(damaged),
            lambda: matte_files.write_matte(self.matter, job, matte_files.alpha_only),
            lambda: matte(self.matter, photo.read_bytes(), damaged.read_bytes()),
            lambda: score_file(folder / "alpha.png", folder / "alpha.png", damaged),
        )

    def table(self, folder: Path) -> str:
        from erkd.data.validation.facts import ROW_TYPES, add_facts, read_frame
        from erkd.io.tables import SPLITS, list_composites, read_table, resolve

        paths = {
            "library": folder / "library/library.csv",
            "composites": folder / "composites/manifest.csv",
            "trimaps": folder / "trimaps/trimaps.csv",
        }

        def read(name: str) -> None:
            for row in read_table(paths[name], ROW_TYPES[name]):
                for column in ("image", "alpha", "trimap"):
                    if getattr(row, column, ""):
                        found = resolve(paths[name], getattr(row, column))
                        assert found.is_relative_to(paths[name].parent.resolve()), found

        def facts() -> None:
            frames = {name: read_frame(path) for name, path in paths.items()}
            if all([*frames[name].columns[:-1]] == columns(name) for name in frames):
                add_facts(frames, paths, {}, dict.fromkeys(SPLITS, 6))

        from erkd.data.validation.facts import columns_of as columns

        return attempt(
            *(lambda name=name: read(name) for name in paths),
            lambda: list_composites(folder / "composites", folder / "trimaps", "train"),
            facts,
        )

    def params(self, folder: Path) -> str:
        from erkd.params import load_params

        return attempt(lambda: load_params(folder / "damaged"))

    def cache(self, folder: Path) -> str:
        import torch

        from erkd.features.cache import open_features

        def read() -> None:
            cache = open_features(folder)
            cache.sample(torch.tensor([0]), torch.eye(2, 3)[None], (2, 2))

        return attempt(read)

    def student(self, folder: Path) -> str:
        from erkd.inference.engines import onnx_engine
        from erkd.inference.find_student import open_engine
        from erkd.students.student import load_student

        return attempt(
            lambda: load_student(folder),
            lambda: open_engine(folder, "cpu"),
            lambda: onnx_engine(folder / "student.onnx"),
        )

    def request(self, folder: Path) -> str:
        """What the served model does with the bytes of an image."""
        import base64

        from erkd.inference.served_model import decode, trimap_bytes

        def read() -> None:
            text = base64.b64encode((folder / "damaged").read_bytes()).decode()
            trimap_bytes(decode(text, "trimap"), "trimap")

        return attempt(read)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    targets: Any = Targets(Path(sys.argv[1]))
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        kind, folder = json.loads(line)
        try:
            answer = getattr(targets, kind)(Path(folder))
        except BaseException:
            answer = traceback.format_exc()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
