"""The student network (encoder, ERM, MFFM, decoder, head): building, saving and loading it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from erkd.io.files import InputError, atomic, check_hash, read_json, sha256, write_json
from erkd.students import REACH
from erkd.students.blocks import replicate_borders
from erkd.students.decoder import Decoder, Head
from erkd.students.edge_reserved import STRIDES as EDGE_STRIDES
from erkd.students.edge_reserved import EdgeReserved
from erkd.students.encoder import Encoder, load_imagenet
from erkd.students.multimodal_fusion import MultimodalFusion, build_dictionary
from erkd.students.prior.closed_form import STEPS, TRAINING_STEPS
from erkd.students.prior.propagation import CUE_CHANNELS, alpha_from_prior, cues_from_prior, propagate

# which parts repeat the border's values, by `StudentConfig.padding`
REPLICATED = {
    "zeros": (),
    "replicate": ("edge_reserved", "fusion", "decoder"),
    "replicate_past_edges": ("fusion", "decoder"),
}


@dataclass(frozen=True)
class StudentConfig:
    """The architecture, saved beside the weights as `student.json`.

    Attributes:
        backbone: timm model name of the encoder.
        stages: Levels of the backbone that are used.
        width: Base width of everything after the encoder, channels.
        edge_module: Whether ERM's features reach the rest (else they are zeroed, a control of equal cost).
        dictionary: What MFFM attends to: text, learned, shuffled or none.
        prompts: Rows K of the dictionary.
        embed_dim: Dimension D of the joint image-text space.
        trim: Whether the last level ends one of the backbone's stages early.
        half: Whether the encoder sees half the resolution.
        coarse: Whether prior (stride 8) and encoder input (stride 2) are coarse, and the head sees one cue.
        dilation: Dilation of MFFM's context convolution; another than 1 in students of before (docs/decisions/017).
        padding: Which convolutions see the border's values beyond the image's border, the others seeing zeros: MFFM's
            and the decoder's (replicate_past_edges); in students of before also ERM's, or none (docs/decisions/071).
    """

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
    dilation: int = 1
    padding: str = "zeros"

    @property
    def prior_stride(self) -> int:
        """Stride of the prior, pixels."""
        return 8 if self.coarse else 4


@dataclass
class Matte:
    """A student's output: alpha, and the intermediate maps that distillation losses use.

    Attributes:
        alpha: B x 1 x H x W in [0, 1]; exactly 0 and 1 in the trimap's known regions.
        features: The two deepest maps by stride s, B x C x H/s x W/s: the shallower as the encoder gives it, the
            deepest as the unit-length embedding in CLIP's joint space.
        edges: ERM's signed edge maps by stride, B x 2 x H/s x W/s.
        levels: The encoder's maps by stride, finest first.
        decoded: The decoder's last map, B x C x H/2 x W/2.
        cues: B x `head_cues` x H x W: the prior's alpha and, unless `config.coarse`, its other cues.
    """

    alpha: Tensor
    features: dict[int, Tensor]
    edges: dict[int, Tensor]
    levels: dict[int, Tensor]
    decoded: Tensor
    cues: Tensor


@dataclass
class Encoded:
    """What the encoder saw of images and gave for them, which the rest of the student works from.

    Attributes:
        image: B x 3 x H x W in [0, 1].
        unknown: 1 in the unknown region, B x 1 x H x W.
        is_foreground: 1 in the known foreground, B x 1 x H x W.
        alpha_prior: The prior's alpha, B x 1 x H x W.
        cues: Its other cues, B x `CUE_CHANNELS` x H x W, at half the resolution if `config.coarse`.
        inputs: The encoder's input, likewise.
        levels: The encoder's maps by stride, finest first.
    """

    image: Tensor
    unknown: Tensor
    is_foreground: Tensor
    alpha_prior: Tensor
    cues: Tensor
    inputs: Tensor
    levels: dict[int, Tensor]


class Student(nn.Module):
    """The matting network; see the modules of its parts."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        width, inputs = config.width, 7 + CUE_CHANNELS
        self.encoder = Encoder(config.backbone, config.stages, inputs, config.trim, config.half or config.coarse)
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
        self.strides = [deepest >> i for i in range(1, deepest.bit_length() - 1)]  # decoder levels, down to 2
        widths = [2 * width, *(max(width // 2, (width * 3 // 2) >> i) for i in range(len(self.strides)))]
        skips = [found.get(s, 0) + (edge_width if s in EDGE_STRIDES else 0) for s in self.strides]
        self.decoder = Decoder(widths, skips)
        self.head = Head(widths[-1], head_cues(config), width)
        if config.padding not in REPLICATED:  # a record may say anything
            raise ValueError(f"padding {config.padding!r} is none of {', '.join(REPLICATED)}")
        for part in REPLICATED[config.padding]:
            replicate_borders(getattr(self, part))

    def forward(self, image: Tensor, trimap: Tensor, prior: Tensor | None = None) -> Matte:
        """Estimate alpha.

        Args:
            image: B x 3 x H x W in [0, 1]; H and W multiples of 32.
            trimap: B x 1 x H x W of 0, 0.5, 1.
            prior: `propagate`'s result at stride s = `config.prior_stride`, B x 12 x H/s x W/s. None computes it from
                the inputs; a tile needs its part of the whole image's, as propagation has no bounded receptive field.
        """
        return self.decode(self.encode(image, trimap, prior))

    def encode(self, image: Tensor, trimap: Tensor, prior: Tensor | None = None) -> Encoded:
        """Run the encoder; arguments as of `forward`."""
        config, stride = self.config, self.config.prior_stride
        is_background, is_foreground = (trimap == 0).to(image.dtype), (trimap == 1).to(image.dtype)
        unknown = 1 - is_background - is_foreground
        with torch.autocast(image.device.type, enabled=False):  # ratios of small numbers need float32
            if prior is None:
                prior = propagate(image, trimap, stride, TRAINING_STEPS if self.training else STEPS)
            alpha_prior = alpha_from_prior(image, prior, stride)
            seen = [image, is_background, unknown, is_foreground, alpha_prior]
            if config.coarse:
                seen, stride = [avg_pool2d(part, 2) for part in seen], stride // 2
            cues = cues_from_prior(seen[0], prior, stride)
        inputs = torch.cat([2 * seen[0] - 1, *seen[1:], cues], dim=1)
        levels = self.encoder(avg_pool2d(inputs, 2) if config.half and not config.coarse else inputs)
        by_stride = dict(zip(self.encoder.strides, levels, strict=True))
        return Encoded(image, unknown, is_foreground, alpha_prior, cues, inputs, by_stride)

    def decode(self, encoded: Encoded) -> Matte:
        """Estimate alpha from what the encoder gave."""
        config, by_stride = self.config, encoded.levels
        image, unknown, alpha_prior = encoded.image, encoded.unknown, encoded.alpha_prior
        edge_features, edges = self.edge_reserved(image, alpha_prior, unknown, encoded.inputs)
        if not config.edge_module:
            edge_features = {stride: features * 0 for stride, features in edge_features.items()}
        shallow, deep = self.encoder.strides[-2:]
        fused, embedding = self.fusion(by_stride[deep], edge_features[4])
        sources = by_stride, edge_features
        decoded = self.decoder(fused, [[maps[s] for maps in sources if s in maps] for s in self.strides])
        fine = alpha_prior if config.coarse else torch.cat([alpha_prior, encoded.cues], dim=1)
        alpha = self.head(decoded, image, fine) * unknown + encoded.is_foreground
        features = {shallow: by_stride[shallow], deep: embedding}
        return Matte(alpha, features, edges, by_stride, decoded, fine)

    def describe(self, image: Tensor, trimap: Tensor) -> dict[int, Tensor]:
        """`Matte.features` alone, without estimating alpha; BatchNorm's statistics, which decoding updates, stay."""
        encoded, (shallow, deep) = self.encode(image, trimap), self.encoder.strides[-2:]
        return {shallow: encoded.levels[shallow], deep: self.fusion.embed(encoded.levels[deep])}


def head_cues(config: StudentConfig) -> int:
    """Channels of `Matte.cues`, the input of the full-resolution head."""
    return 1 if config.coarse else 1 + CUE_CHANNELS


def margin(student: nn.Module) -> int:
    """The receptive-field radius in pixels, the prior excluded: the overlap that tiles need."""
    encoder: Any = student.encoder
    return REACH * int(encoder.strides[-1])


def build_student(config: StudentConfig, text: Tensor, pretrained: bool) -> Student:
    """Initialise a student, from ImageNet weights if `pretrained`.

    `text` holds the teacher's prompt embeddings, K x D with rows of unit length.
    """
    student = Student(config)
    if pretrained:
        load_imagenet(student.encoder, config.backbone)
    dictionary = build_dictionary(config.dictionary, text)
    if dictionary is not None:
        student.fusion.dictionary.data.copy_(dictionary)
    return student


def save_student(student: Student, folder: Path, training: dict[str, object]) -> None:
    """Write `student.safetensors` and `student.json` (configuration, weights' SHA-256, and the record `training`)."""
    weights = {name: value.detach().cpu().contiguous() for name, value in student.state_dict().items()}
    with atomic(folder / "student.safetensors") as temporary:
        temporary.write_bytes(save(weights))  # safetensors' `save_file` does not report a full disk
    record = {
        "config": asdict(student.config),
        "parameters": sum(parameter.numel() for parameter in student.parameters()),
        "sha256": sha256(folder / "student.safetensors"),
        "training": training,
    }
    write_json(record, folder / "student.json")


def load_student(folder: Path) -> Student:
    """Load a saved student in eval mode. Raises InputError for files that are missing, damaged or do not match."""
    record, weights = read_json(folder / "student.json"), folder / "student.safetensors"
    mend = "student.json and student.safetensors belong together: take both anew from where they came"
    try:
        expected, config = record["sha256"], StudentConfig(**record["config"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / 'student.json'}: not a student's record ({error}); {mend}") from None
    check_hash(weights, expected, mend)
    try:
        stored = load_file(weights)
        with torch.device("meta"):  # a configuration of absurd sizes allocates nothing
            Student(config).load_state_dict(stored, assign=True)
    except Exception as error:  # timm and torch raise many classes for a bad configuration
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{folder / 'student.json'}: not the shape of its weights ({reason}); {mend}") from None
    student = Student(config)
    student.load_state_dict(stored)
    return student.eval()
