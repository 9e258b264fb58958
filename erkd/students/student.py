"""The student: encoder, ERM, MFFM, decoder, head; how it is built, saved and loaded."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from erkd.io.files import InputError, atomic, check_hash, read_json, sha256, write_json
from erkd.students import REACH
from erkd.students.decoder import Decoder, Head
from erkd.students.edge_reserved import STRIDES as EDGE_STRIDES
from erkd.students.edge_reserved import EdgeReserved
from erkd.students.encoder import Encoder, load_imagenet
from erkd.students.multimodal_fusion import MultimodalFusion, build_dictionary
from erkd.students.prior.closed_form import FEWER, STEPS
from erkd.students.prior.propagation import CHANNELS, first_guess, project, propagate


@dataclass(frozen=True)
class StudentConfig:
    """What decides the network's shape; saved beside the weights."""

    backbone: str
    stages: int
    width: int
    edge_module: bool
    dictionary: str
    prompts: int
    embed_dim: int
    trim: bool
    half: bool
    coarse: bool
    dilation: int

    @property
    def prior_stride(self) -> int:
        """The stride of the prior, pixels."""
        return 8 if self.coarse else 4


@dataclass
class Matte:
    """What a student returns.

    `alpha` B x 1 x H x W in [0, 1], known regions as the trimap says; `features` by stride, B x C x H/s x W/s
    (stride 8 raw; at the deepest stride the unit-length embedding in CLIP's joint space); `logits` B x K x
    H/s x W/s over MFFM's dictionary, at the deepest stride; `edges` by stride, B x 2 x H/s x W/s. What losses
    of further heads need: `levels`, the encoder's maps by stride, finest first; `decoded` B x C x H/2 x W/2, the
    last map of the decoder; `cues` B x `head_cues` x H x W, the first guess and, unless `config.coarse`, the others.
    """

    alpha: Tensor
    features: dict[int, Tensor]
    logits: Tensor
    edges: dict[int, Tensor]
    levels: dict[int, Tensor]
    decoded: Tensor
    cues: Tensor


class Student(nn.Module):
    """A matting network of about a million parameters; see the parts for the ideas."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        width, inputs = config.width, 7 + CHANNELS
        self.encoder = Encoder(
            config.backbone, config.stages, inputs, config.trim, config.half or config.coarse
        )
        channels = self.encoder.channels
        edge_width = width // 2
        self.edge_reserved = EdgeReserved(inputs, edge_width, config.coarse)
        self.fusion = MultimodalFusion(
            channels[-1],
            edge_width,
            2 * width,
            (config.prompts, config.embed_dim),
            config.dictionary,
            edge_pool=self.encoder.strides[-1] // 4,
            dilation=config.dilation,
        )
        found, deepest = dict(zip(self.encoder.strides, channels, strict=True)), self.encoder.strides[-1]
        self.strides = [deepest >> i for i in range(1, deepest.bit_length() - 1)]  # of the decoder, down to 2
        widths = [2 * width, *(max(width // 2, (width * 3 // 2) >> i) for i in range(len(self.strides)))]
        skips = [found.get(s, 0) + (edge_width if s in EDGE_STRIDES else 0) for s in self.strides]
        self.decoder = Decoder(widths, skips)
        self.head = Head(widths[-1], head_cues(config), width)

    def forward(self, image: Tensor, trimap: Tensor, prior: Tensor | None = None) -> Matte:
        """`image` B x 3 x H x W in [0, 1], `trimap` B x 1 x H x W of 0, 0.5, 1; H, W multiples of 32.

        `prior` B x 12 x H/s x W/s is `propagate`'s at stride `config.prior_stride`. A tile of a larger image brings
        that of the whole, which alone has unlimited reach; without it, it is computed from the input itself.
        """
        config, stride = self.config, self.config.prior_stride
        is_background, is_foreground = (trimap == 0).to(image.dtype), (trimap == 1).to(image.dtype)
        unknown = 1 - is_background - is_foreground
        with torch.autocast(image.device.type, enabled=False):  # small shares are divided by small shares
            if prior is None:
                prior = propagate(image, trimap, stride, FEWER if self.training else STEPS)
            guess = first_guess(image, prior, stride)
            seen = [image, is_background, unknown, is_foreground, guess]
            if config.coarse:
                seen, stride = [avg_pool2d(part, 2) for part in seen], stride // 2
            cues = project(seen[0], prior, stride)
        inputs = torch.cat([2 * seen[0] - 1, *seen[1:], cues], dim=1)
        levels = self.encoder(avg_pool2d(inputs, 2) if config.half and not config.coarse else inputs)
        by_stride = dict(zip(self.encoder.strides, levels, strict=True))
        edge_features, edges = self.edge_reserved(image, guess, unknown, inputs)
        if not config.edge_module:
            edge_features = {stride: features * 0 for stride, features in edge_features.items()}
        fused, embedding, logits = self.fusion(levels[-1], edge_features[4])
        sources = by_stride, edge_features
        decoded = self.decoder(fused, [[maps[s] for maps in sources if s in maps] for s in self.strides])
        fine = guess if config.coarse else torch.cat([guess, cues], dim=1)
        alpha = self.head(decoded, image, fine) * unknown + is_foreground
        shallow, deep = self.encoder.strides[-2:]
        features = {shallow: by_stride[shallow], deep: embedding}
        return Matte(alpha, features, logits, edges, by_stride, decoded, fine)


def head_cues(config: StudentConfig) -> int:
    """How many cues the full-resolution head sees."""
    return 1 if config.coarse else 1 + CHANNELS


def margin(student: nn.Module) -> int:
    """The receptive-field radius in pixels, the prior excluded: a tile has to see so many around it."""
    encoder: Any = student.encoder
    return REACH * int(encoder.strides[-1])


def build_student(config: StudentConfig, text: Tensor, pretrained: bool) -> Student:
    """A fresh student; `text` K x D holds the teacher's prompt embeddings, rows of unit length."""
    student = Student(config)
    if pretrained:
        load_imagenet(student.encoder, config.backbone)
    dictionary = build_dictionary(config.dictionary, text)
    if dictionary is not None:
        student.fusion.dictionary.data.copy_(dictionary)
    return student


def save_student(student: Student, folder: Path, training: dict[str, object]) -> None:
    """Write `student.safetensors` and `student.json` (shape, weights' hash, and `training` for the record)."""
    weights = {name: value.detach().cpu().contiguous() for name, value in student.state_dict().items()}
    with atomic(folder / "student.safetensors") as temporary:
        temporary.write_bytes(save(weights))  # `save_file` hides that a disk is full
    record = {
        "config": asdict(student.config),
        "parameters": sum(parameter.numel() for parameter in student.parameters()),
        "sha256": sha256(folder / "student.safetensors"),
        "training": training,
    }
    write_json(record, folder / "student.json")


def load_student(folder: Path) -> Student:
    """Read a saved student, in eval mode. Raises InputError when a file is missing, damaged or of another shape."""
    record, weights = read_json(folder / "student.json"), folder / "student.safetensors"
    mend = "student.json and student.safetensors belong together: take both anew from where they came"
    try:
        expected, config = record["sha256"], StudentConfig(**record["config"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / 'student.json'}: not a student's record ({error}); {mend}") from None
    check_hash(weights, expected, mend)
    try:
        stored = load_file(weights)
        with torch.device("meta"):  # an absurd shape costs nothing
            Student(config).load_state_dict(stored, assign=True)
    except Exception as error:  # timm and torch have many words for a shape that is none
        reason = str(error).splitlines()[0][:200]
        raise InputError(
            f"{folder / 'student.json'}: not the shape of its weights ({reason}); {mend}"
        ) from None
    student = Student(config)
    student.load_state_dict(stored)
    return student.eval()
