"""A small CLIP made here, offline: an ImageNet tower tuned on captions, regions and cells.

Only the last blocks, the projection and the text tower learn. What the frozen blocks give for each image (and
for a few augmented views of it) is computed once, so that a step costs a fraction of a full pass.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from erkd.files import InputError
from erkd.imagenet import MEAN, MODEL, STD, imagenet_state_dict
from erkd.parallel import progress
from erkd.params import TeacherParams
from erkd.tables import CompositeRow
from erkd.teachers.contrast import cell_contrast, contrast, pool
from erkd.teachers.prompts import TEMPLATES, material_phrase
from erkd.teachers.stride import set_output_stride
from erkd.teachers.views import VIEWS, Views, frozen_views, learned_patches, split_trunk

CELL_SCALE = 8.0  # softer than the contrast between images: most cells are mixed
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

    Three terms: whole images against captions (and materials), regions pooled by alpha and 1 - alpha against
    the phrases of foreground and backdrop, and every cell between its own two phrases, the last two times
    `params.region_weight`. BatchNorm keeps its ImageNet statistics.
    """
    if not rows:
        raise InputError(f"{table}: no composites of the split `train` for the teacher to learn from")
    model.to(device, memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]
    views = frozen_views(model, table, rows, seed, device)
    learning = _learning_groups(model, params.learning_rate)
    optimizer = torch.optim.AdamW(learning, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, params.steps))
    tokenizer = open_clip.SimpleTokenizer(context_length=TEXT["context_length"])
    history = []
    for step in progress(range(params.steps), "tuning the teacher"):
        random = np.random.default_rng([seed, 1, step])
        losses = _step_losses(model, tokenizer, views, rows, params, random)
        total = losses["caption"] + params.region_weight * (losses["region"] + losses["cell"])
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    model.requires_grad_(False).to(memory_format=torch.contiguous_format)
    return history


def _rate(step: int, steps: int) -> float:
    """Linear warm-up over a tenth of the steps, then a cosine down to 0."""
    warmup = max(1, steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _learning_groups(model: Any, learning_rate: float) -> list[dict[str, Any]]:
    """Parameter groups: fresh parts at the full rate, ImageNet's last blocks at a fifth."""
    pretrained = split_trunk(model.visual.trunk)[1]
    # random token vectors tell words apart as well as learned ones, and 6 M numbers need not be trained
    words = model.text.token_embedding.weight
    text = [parameter for parameter in model.text.parameters() if parameter is not words]
    fresh = [*model.visual.head.parameters(), *text, model.logit_scale]
    groups: list[dict[str, Any]] = [
        {"params": list(pretrained.parameters()), "lr": learning_rate / 5},
        {"params": fresh, "lr": learning_rate},
    ]
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(True)
    return groups


def _step_losses(
    model: Any,
    tokenizer: Any,
    views: Views,
    rows: Sequence[CompositeRow],
    params: TeacherParams,
    random: np.random.Generator,
) -> dict[str, Tensor]:
    """The loss terms of one batch."""
    size = min(params.batch_size, len(rows))
    chosen = random.choice(len(rows), size, replace=False)
    slots = torch.from_numpy(chosen + len(rows) * random.integers(VIEWS, size=size))
    maps, alpha = views.maps[slots], views.alphas[slots]
    device = next(model.parameters()).device
    maps = maps.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
    patches = learned_patches(model, maps)
    alpha = alpha.to(device)
    captions = [rows[i].caption if random.random() < 0.5 else _say(rows[i].material, random) for i in chosen]
    ours = [
        rows[i].foreground_phrase if random.random() < 0.5 else material_phrase(rows[i].material)
        for i in chosen
    ]
    theirs = [rows[i].background_phrase for i in chosen]
    template = TEMPLATES[random.integers(len(TEMPLATES))]
    whole, whole_labels = _distinct(captions)
    parts, part_labels = _distinct([*ours, *theirs])
    texts = model.encode_text(tokenizer([*whole, *(template.format(part) for part in parts)]).to(device))
    whole_texts, part_texts = texts[: len(whole)], texts[len(whole) :]
    scale = model.logit_scale.exp().clamp(max=100)
    regions = torch.cat([pool(patches, alpha), pool(patches, 1 - alpha)])
    own, other = part_texts[part_labels[:size]], part_texts[part_labels[size:]]
    return {
        "caption": contrast(patches.mean(dim=(2, 3)), whole_texts, whole_labels.to(device), scale),
        "region": contrast(regions, part_texts, part_labels.to(device), scale),
        "cell": cell_contrast(patches, own, other, alpha, CELL_SCALE),
    }


def _say(material: str, random: np.random.Generator) -> str:
    return TEMPLATES[random.integers(len(TEMPLATES))].format(material_phrase(material))


def _distinct(phrases: Sequence[str]) -> tuple[list[str], Tensor]:
    """The distinct phrases, sorted, and each phrase's place among them."""
    distinct = sorted(set(phrases))
    return distinct, torch.tensor([distinct.index(phrase) for phrase in phrases])
