"""A frozen open_clip model with its own preprocessing, and how it is stored and loaded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from open_clip.transformer import VisionTransformer
from safetensors.torch import save
from torch import Tensor, nn

from erkd.io.files import InputError, atomic, check_hash, read_json, read_record, sha256, write_json, write_record
from erkd.io.images import Array
from erkd.teachers.dense import TeacherFeatures, dense_features, describe_tower
from erkd.teachers.output_stride import set_output_stride

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
TEACHER = "teacher.json"


@dataclass(frozen=True)
class Preprocessing:
    """What a model was trained to see: side of the square input, channel statistics, interpolation."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str

    def prepare(self, image: Array) -> Tensor:
        """Resize a whole image (H x W x 3 in [0, 1]), never cropping it, to 3 x size x size in [0, 1]."""
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        side = (self.size, self.size)
        resized = F.interpolate(pixels, side, mode=self.interpolation, antialias=True, align_corners=False)
        return resized[0].clamp(0, 1)

    def normalise(self, images: Tensor) -> Tensor:
        """Shift and scale images (B x 3 x H x W in [0, 1]) to the range the model was trained on."""
        mean = torch.tensor(self.mean, device=images.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(3, 1, 1)
        return (images - mean) / std


class Teacher:
    """A frozen image-text model: images and phrases to vectors of one space.

    `identity` says which model this is and what it is given; feature caches carry it, so that they can be
    refused when it changes. `prompts` are the phrases that a student attends to, `vocabulary` those that patches
    are compared with: the prompts and the words (`words.py`).
    """

    def __init__(self, model: Any, tokenizer: Any, settings: dict[str, Any], identity: dict[str, Any]):
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing_of(model)
        self.prompts: list[str] = settings["prompts"]
        self.vocabulary: list[str] = settings["vocabulary"]
        self.identity = identity
        if settings["output_stride"] is not None:
            set_output_stride(model.visual, settings["output_stride"])
        self.exactness = describe_tower(model.visual)

    @property
    def ground(self) -> tuple[float, ...]:
        """The colour that normalisation turns to 0, RGB in [0, 1]."""
        return self.preprocessing.mean

    @cached_property
    def cell(self) -> int | None:
        """The side of a patch in pixels of an image of any size; None for a ViT, which takes one size alone."""
        if isinstance(self.model.visual, VisionTransformer):
            return None
        side = self.preprocessing.size
        probe = torch.zeros(1, 3, side, side, device=next(self.model.parameters()).device)
        return side // self.patches(probe).shape[2]

    def prepare(self, image: Array) -> Tensor:
        """A whole image, H x W x 3 in [0, 1], resized for the model: 3 x S x S in [0, 1]."""
        return self.preprocessing.prepare(image)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> TeacherFeatures:
        """Embedding and patches of `images`, B x 3 x H x W in [0, 1], on the images' device."""
        model = self.model.to(images.device)
        return dense_features(model.visual, self.preprocessing.normalise(images))

    def patches(self, images: Tensor) -> Tensor:
        """The patches alone, B x D x Gh x Gw."""
        return self(images).patches

    def levels(self, images: Tensor, count: int) -> list[Tensor]:
        """The patches and, with `count` 2, the tower's map on a grid twice as fine: B x C x 2 Gh x 2 Gw.

        Raises InputError where the tower has no such map, as a ViT.
        """
        features = self(images)
        if count == 1:
            return [features.patches]
        if features.shallow is None:
            raise InputError(
                f"features.levels: {type(self.model.visual).__name__} has no map on a grid twice as fine as "
                f"its patches' {tuple(features.patches.shape[2:])}; set features.levels to 1"
            )
        return [features.patches, features.shallow]

    @torch.no_grad()
    def text(self, phrases: Sequence[str]) -> Tensor:
        """L2-normalised embeddings of phrases, K x D, on the model's device."""
        device = next(self.model.parameters()).device
        return self.model.encode_text(self.tokenizer(list(phrases)).to(device), normalize=True)


def preprocessing_of(model: nn.Module) -> Preprocessing:
    """The preprocessing stored with an open_clip model."""
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"]
    interpolation = config.get("interpolation", "bicubic")
    return Preprocessing(
        size=size if isinstance(size, int) else size[0],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=interpolation if interpolation in ("bilinear", "bicubic") else "bicubic",
    )


def save_teacher(folder: Path, model: Any, model_config: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write a model in open_clip's `local-dir:` layout, with `settings` beside it as `teacher.json`.

    `settings` needs `source`, `output_stride` (None: the model's own), `prompts` and `vocabulary`.
    """
    preprocessing = asdict(preprocessing_of(model)) | {"resize_mode": "squash"}
    config = {"model_cfg": model_config, "preprocess_cfg": preprocessing}
    # contiguous copies: safetensors refuses tensors that share memory
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    with atomic(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(weights))  # `save_file` hides that a disk is full
    write_json(config, folder / CONFIG)
    hashes = {name: sha256(folder / name) for name in (CONFIG, WEIGHTS)}
    write_record({**settings, "patches": describe_tower(model.visual), "sha256": hashes}, folder / TEACHER)


def load_teacher(folder: Path, device: str = "cpu") -> Teacher:
    """Load a teacher that `save_teacher` wrote.

    Raises InputError that names a file that is missing or damaged, or a list of phrases that says nothing.
    """
    mend = "`dvc repro teacher` writes it anew"
    settings = read_record(folder / TEACHER, mend)
    for name in ("prompts", "vocabulary"):
        phrases = settings.get(name)
        if not phrases or not all(isinstance(phrase, str) and phrase.strip() for phrase in phrases):
            raise InputError(f"{folder / TEACHER}: {name} must list phrases, each of at least one word; {mend}")
    for name in (CONFIG, WEIGHTS):
        check_hash(folder / name, settings["sha256"][name], mend)
    model = open_clip.create_model(f"local-dir:{folder}", device=device)
    identity = {
        "weights": settings["sha256"][WEIGHTS],
        "config": read_json(folder / CONFIG),
        "output_stride": settings["output_stride"],
    }
    return Teacher(model, open_clip.get_tokenizer(f"local-dir:{folder}"), settings, identity)
