"""A small CLIP made here, offline: an ImageNet tower read out linearly, tuned on captions, regions and cells.

The first dimensions of the joint space hold the words of the network's own head (`word_space.py`), in closed form;
the last quarter is a linear readout of the features before the last block (`readout.py`). That readout is learned,
and the text tower, which has to put words where the head has them. What the network gives for each image (and for a
few augmented views of it) is computed once, so that a step costs next to nothing.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erkd.io.files import InputError
from erkd.io.imagenet import MEAN, STD, imagenet_state_dict
from erkd.io.tables import CompositeRow
from erkd.params import TeacherParams
from erkd.runtime.parallel import progress
from erkd.runtime.schedule import learning_rate_factor
from erkd.teachers.bootstrap import text_tower
from erkd.teachers.bootstrap.contrastive import cell_contrast, contrast, pool
from erkd.teachers.bootstrap.phrases import Phrases, draw_phrases
from erkd.teachers.bootstrap.readout import standardise, write_materials, write_words
from erkd.teachers.bootstrap.room import make_room
from erkd.teachers.bootstrap.text_tower import encode, put_words, start_tokens, word_loss
from erkd.teachers.bootstrap.views import VIEWS, frozen_views, word_codes
from erkd.teachers.bootstrap.word_space import word_space
from erkd.teachers.output_stride import set_output_stride
from erkd.teachers.prompts import TEMPLATES, material_phrase, materials_of

DRAWS = 3  # of phrases for all images, that stay where they are when words are put in their places
CELL_SCALE = 8.0  # softer than the contrast between images: most cells are mixed
MOST = 2048
ROOM = 32  # images by which room is made
WARMUP = 0.1  # of the steps
LENGTH = 3.0  # of an image's words, on average, about as much as the readout comes to
SHARE = 4  # one dimension of so many is of the readout, the others are of words


def model_config(params: TeacherParams) -> dict[str, Any]:
    """The open_clip configuration of the bootstrapped model."""
    return {
        "embed_dim": params.embed_dim,
        "vision_cfg": {
            "image_size": params.image_size,
            "timm_model_name": params.backbone,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
        "text_cfg": dict(text_tower.CONFIG),
        "custom_text": True,
    }


def build(params: TeacherParams, seed: int) -> nn.Module:
    """The model before tuning: ImageNet image tower, random projection and text tower (from `seed`)."""
    config = {name: value for name, value in model_config(params).items() if name != "custom_text"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CustomTextCLIP(**config)
    weights = imagenet_state_dict(params.backbone)
    trunk = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict({name: weights[name] for name in trunk})
    preprocess = {"size": params.image_size, "mean": MEAN, "std": STD, "interpolation": "bicubic"}
    open_clip.model.set_model_preprocess_cfg(model, preprocess)
    set_output_stride(model.eval().visual, params.output_stride)
    return model


def tune(
    model: nn.Module, table: Path, rows: Sequence[CompositeRow], params: TeacherParams, seed: int, device: str
) -> list[dict[str, float]]:
    """Tune `model` in place on the composites of `rows` and return the losses, one record per step.

    Four terms: whole images against captions and all materials; regions pooled by alpha and 1 - alpha against
    the phrases of foreground and backdrop and all materials, times `params.region_weight`; every cell between its
    own two phrases, times `params.cell_weight`; and words against their directions, times `params.word_weight`.
    Before and after, least squares put the words where they belong. Without that weight there are no words, and all
    dimensions are of the readout. Materials take turns in a batch. Of a large table `MOST` rows are
    used, evenly spaced: what the network gives is held in memory (0.2 MB per view of an image).
    """
    if not rows:
        raise InputError(f"{table}: no composites of the split `train` for the teacher to learn from")
    rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MOST, dtype=int))]
    model.to(device, memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]
    tower: Any = model.visual
    classifier = imagenet_state_dict(params.backbone)["classifier.weight"].to(device)
    views = frozen_views(model, table, rows, seed, device)
    mean, deviation = (statistic.to(device) for statistic in views.statistics())
    size = params.embed_dim // SHARE if params.word_weight else params.embed_dim
    features = views.features.to(device)
    room = make_room(tower.trunk, classifier, views.maps[:ROOM].to(device, torch.float32), size)
    directions, words = word_space(classifier, features, params.embed_dim - size)
    words *= LENGTH / (features @ words.T).norm(dim=1).mean().clamp(min=1e-6)
    codes = word_codes(tower.trunk, views.maps, write_words(tower, room, words, features))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        readout = nn.Conv2d(len(mean), size, 1, bias=False).to(device)
    if params.word_weight:
        start_tokens(model, directions)
        put_words(model, directions, _said(rows, seed))
    learning = _learning(model, readout)
    descend = _descent(learning, params.learning_rate, params.steps)
    weights = {"caption": 1, "region": params.region_weight, "cell": params.cell_weight, "word": params.word_weight}
    history = []
    for step in progress(range(params.steps), "tuning the teacher"):
        random = np.random.default_rng([seed, 1, step])
        chosen = draw_batch(rows, params.batch_size, random)
        slots = torch.from_numpy(chosen + len(rows) * random.integers(VIEWS, size=len(chosen)))
        maps = standardise(views.maps[slots].to(device, torch.float32), mean, deviation)
        patches = torch.cat([codes[slots].to(device, torch.float32), readout(maps)], dim=1)
        phrases = draw_phrases([rows[i] for i in chosen], materials_of(rows), random)
        losses = _losses(model, patches, views.alphas[slots].to(device), phrases)
        if params.word_weight:
            losses["word"] = word_loss(model, directions, patches.mean(dim=(2, 3)), random)
        descend(torch.stack([weights[name] * loss for name, loss in losses.items()]).sum())
        history.append({name: loss.item() for name, loss in losses.items()})
    if params.word_weight:
        put_words(model, directions, _said(rows, seed))
    few = standardise(views.maps[:ROOM].to(device, torch.float32), mean, deviation)
    spread = readout(few).std(dim=(0, 2, 3))
    write_materials(tower, room, readout.weight[:, :, 0, 0], mean, deviation, spread)
    model.requires_grad_(False).to(memory_format=torch.contiguous_format)
    return history


def _descent(parameters: list[nn.Parameter], learning_rate: float, steps: int) -> Callable[[Tensor], None]:
    """AdamW with a rate that rises, then falls to 0 over `steps`: a function that takes one step down a loss."""
    optimizers = [
        torch.optim.AdamW(parameters[1:], learning_rate, weight_decay=0.05),
        torch.optim.SparseAdam(parameters[:1], learning_rate),
    ]
    factor = partial(learning_rate_factor, steps=steps, warmup=WARMUP)
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, factor) for optimizer in optimizers]

    def descend(loss: Tensor) -> None:
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        for schedule in schedules:
            schedule.step()

    return descend


def _learning(model: Any, readout: nn.Module) -> list[nn.Parameter]:
    """What is tuned, the text tower's tokens first: they, the rest of that tower, the temperature and the readout.

    Of 13 M numbers of the tokens those are touched that a step's phrases name.
    """
    tokens: nn.Embedding = model.text.token_embedding
    tokens.sparse = True
    fixed = (tokens.weight, model.text.ln_final.bias)
    text = [parameter for parameter in model.text.parameters() if all(parameter is not other for other in fixed)]
    learning = (tokens.weight, *text, model.logit_scale, *readout.parameters())
    return [parameter.requires_grad_(True) for parameter in learning]


def _said(rows: Sequence[CompositeRow], seed: int) -> list[str]:
    """Phrases of the kind that tuning says of `rows`, and every material in every template."""
    materials, random = materials_of(rows), np.random.default_rng([seed, 3])
    said = {phrase for _ in range(DRAWS) for phrase in draw_phrases(rows, materials, random).distinct()}
    named = {template.format(material_phrase(name)) for template in TEMPLATES for name in materials}
    return sorted(said | named)


def draw_batch(rows: Sequence[CompositeRow], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of `size` rows, as many of each material as can be: the rare ones count like the common."""
    by_material: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        by_material.setdefault(row.material, []).append(number)
    names = sorted(by_material)
    turns = random.permutation(len(names))
    picks = [by_material[names[turns[place % len(names)]]] for place in range(min(size, len(rows)))]
    return np.array([random.choice(numbers) for numbers in picks])


def _losses(model: Any, patches: Tensor, alpha: Tensor, phrases: Phrases) -> dict[str, Tensor]:
    """The loss terms of one batch of patches, B x D x G x G. Every phrase goes through the text tower once."""
    device = patches.device
    said = phrases.distinct()
    texts = encode(model, said)
    place = {phrase: number for number, phrase in enumerate(said)}
    scale = model.logit_scale.exp().clamp(max=100)

    def embedded(wanted: Sequence[str]) -> Tensor:
        return texts[[place[phrase] for phrase in wanted]]

    def against(vectors: Tensor, own: Sequence[str]) -> Tensor:
        """Contrast of vectors with their own phrases, the batch's others and all materials."""
        known = sorted({*own, *phrases.materials})
        labels = torch.tensor([known.index(phrase) for phrase in own], device=device)
        return contrast(vectors, embedded(known), labels, scale)

    regions = torch.cat([pool(patches, alpha), pool(patches, 1 - alpha)])
    ours, theirs = embedded(phrases.foregrounds), embedded(phrases.invented)
    return {
        "caption": against(patches.mean(dim=(2, 3)), phrases.captions),
        "region": against(regions, [*phrases.foregrounds, *phrases.backdrops]),
        "cell": cell_contrast(patches, ours, theirs, alpha, CELL_SCALE),
    }
