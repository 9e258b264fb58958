"""A small CLIP made here, offline: an ImageNet tower read out linearly, tuned on captions, regions and cells.

The tower stays as ImageNet left it up to its last block; what is learned is a linear readout of the features
before that block (`readout.py`) and the text tower. What the frozen blocks give for each image
(and for a few augmented views of it) is computed once, so that a step costs next to nothing.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erkd.io.files import InputError
from erkd.io.imagenet import MEAN, MODEL, STD, imagenet_state_dict
from erkd.io.tables import CompositeRow
from erkd.params import TeacherParams
from erkd.runtime.parallel import progress
from erkd.runtime.schedule import learning_rate_factor
from erkd.teachers.bootstrap.contrastive import cell_contrast, contrast, pool
from erkd.teachers.bootstrap.phrases import Phrases, draw_phrases
from erkd.teachers.bootstrap.readout import standardise, write_readout
from erkd.teachers.bootstrap.views import VIEWS, frozen_views
from erkd.teachers.output_stride import set_output_stride
from erkd.teachers.prompts import materials_of

CELL_SCALE = 8.0  # softer than the contrast between images: most cells are mixed
MOST = 4096
WARMUP = 0.1  # of the steps
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2}


def model_config(params: TeacherParams) -> dict[str, Any]:
    """The open_clip configuration of the bootstrapped model."""
    return {
        "embed_dim": params.embed_dim,
        "vision_cfg": {
            "image_size": params.image_size,
            "timm_model_name": MODEL,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
        "text_cfg": dict(TEXT),
        "custom_text": True,
    }


def build(params: TeacherParams, seed: int) -> nn.Module:
    """The model before tuning: ImageNet image tower, random projection and text tower (from `seed`)."""
    config = {name: value for name, value in model_config(params).items() if name != "custom_text"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CustomTextCLIP(**config)
    weights = imagenet_state_dict()
    trunk = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict({name: weights[name] for name in trunk})
    preprocess = {"size": params.image_size, "mean": MEAN, "std": STD, "interpolation": "bicubic"}
    open_clip.model.set_model_preprocess_cfg(model, preprocess)
    set_output_stride(model.visual, params.output_stride)
    return model.eval()


def tune(
    model: nn.Module, table: Path, rows: Sequence[CompositeRow], params: TeacherParams, seed: int, device: str
) -> list[dict[str, float]]:
    """Tune `model` in place on the composites of `rows` and return the losses, one record per step.

    Three terms: whole images against captions and all materials; regions pooled by alpha and 1 - alpha against
    the phrases of foreground and backdrop and all materials, times `params.region_weight`; and every cell
    between its own two phrases, times `params.cell_weight`. Materials take turns in a batch. Of a large table
    `MOST` rows are used, evenly spaced: what the frozen blocks give is held in memory (0.3 MB per image).
    """
    if not rows:
        raise InputError(f"{table}: no composites of the split `train` for the teacher to learn from")
    rows = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, MOST, dtype=int))]
    model.to(device, memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]
    views = frozen_views(model, table, rows, seed, device)
    mean, deviation = (statistic.to(device) for statistic in views.statistics())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        readout = nn.Conv2d(len(mean), params.embed_dim, 1, bias=False).to(device)
    optimizer = torch.optim.AdamW(_learning(model, readout), params.learning_rate, weight_decay=0.05)
    factor = partial(learning_rate_factor, steps=params.steps, warmup=WARMUP)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    tokenizer = open_clip.SimpleTokenizer(context_length=TEXT["context_length"])
    history = []
    for step in progress(range(params.steps), "tuning the teacher"):
        random = np.random.default_rng([seed, 1, step])
        chosen = draw_batch(rows, params.batch_size, random)
        slots = torch.from_numpy(chosen + len(rows) * random.integers(VIEWS, size=len(chosen)))
        maps = standardise(views.maps[slots].to(device, torch.float32), mean, deviation)
        phrases = draw_phrases([rows[i] for i in chosen], materials_of(rows), random)
        losses = _losses(model, tokenizer, readout(maps), views.alphas[slots].to(device), phrases)
        regions, cells = params.region_weight * losses["region"], params.cell_weight * losses["cell"]
        total = losses["caption"] + regions + cells
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    write_readout(model.visual, readout.weight[:, :, 0, 0], mean, deviation)
    model.requires_grad_(False).to(memory_format=torch.contiguous_format)
    return history


def _learning(model: Any, readout: nn.Module) -> list[nn.Parameter]:
    """What is tuned: the readout, the temperature and the text tower less its words.

    Random token vectors tell words apart as well as learned ones, and 6 M numbers need not be trained.
    """
    words = model.text.token_embedding.weight
    text = [parameter for parameter in model.text.parameters() if parameter is not words]
    return [parameter.requires_grad_(True) for parameter in (*text, model.logit_scale, *readout.parameters())]


def draw_batch(rows: Sequence[CompositeRow], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of `size` rows, as many of each material as can be: the rare ones count like the common."""
    by_material: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        by_material.setdefault(row.material, []).append(number)
    names = sorted(by_material)
    turns = random.permutation(len(names))
    picks = [by_material[names[turns[place % len(names)]]] for place in range(min(size, len(rows)))]
    return np.array([random.choice(numbers) for numbers in picks])


def _losses(model: Any, tokenizer: Any, patches: Tensor, alpha: Tensor, phrases: Phrases) -> dict[str, Tensor]:
    """The loss terms of one batch of patches, B x D x G x G. Every phrase goes through the text tower once."""
    device = patches.device
    said = phrases.distinct()
    texts = model.encode_text(tokenizer(said).to(device))
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
