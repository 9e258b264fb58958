"""Any open_clip model as a teacher: a name and a tag, a Hugging Face id, a folder or a file of weights."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import open_clip
from huggingface_hub import constants
from torch import nn

from erkd.io.files import InputError
from erkd.params import TeacherParams
from erkd.teachers.dense import describe_tower
from erkd.teachers.output_stride import set_output_stride

PATIENCE = 5.0  # seconds


def open_model(params: TeacherParams) -> tuple[nn.Module, dict[str, Any]]:
    """Load `params.model` and return it with its open_clip configuration.

    `model` is one of open_clip's names (then `pretrained` is a tag of it or a file of weights),
    `hf-hub:OWNER/NAME` or `local-dir:FOLDER`. The input is `image_size` pixels square: positional embeddings
    are resampled where it is not the model's own. Raises InputError, in one line, for an unknown name,
    an absent folder or file, a download that failed, and a tower without dense features.
    """
    _check_present(params)
    options: dict[str, Any] = {"force_image_size": params.image_size}
    tag = open_clip.get_pretrained_cfg(params.model.replace("/", "-"), params.pretrained or "")
    if tag.get("quick_gelu"):  # weights trained with QuickGELU give wrong features without it, silently
        options["force_quick_gelu"] = True
    try:
        with quiet_hub():
            model = open_clip.create_model(params.model, params.pretrained, **options)
    except Exception as error:  # of many kinds; all of them mean: not here, or not readable
        raise InputError(_advice(params, error)) from None
    describe_tower(model.visual)
    if params.output_stride is not None:
        set_output_stride(model.visual, params.output_stride)
    config = open_clip.get_model_config(params.model)
    config["vision_cfg"]["image_size"] = params.image_size
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    if "force_quick_gelu" in options:
        config["quick_gelu"] = True
    return model, config


def _check_present(params: TeacherParams) -> None:
    """Refuse what can be known to be missing before anything is downloaded."""
    if params.model.startswith("local-dir:"):
        folder = Path(params.model.removeprefix("local-dir:"))
        if not (folder / "open_clip_config.json").is_file():
            raise InputError(
                f"teacher.model: {folder} holds no open_clip_config.json; put it there with the weights "
                "(open_clip_model.safetensors)"
            )
    elif not params.model.startswith("hf-hub:"):
        name = params.model.replace("/", "-")
        if name not in open_clip.list_models():
            raise InputError(
                f"teacher.model: open_clip knows no {params.model!r}; its names are those of "
                "open_clip.list_models(); or give local-dir:FOLDER or hf-hub:OWNER/NAME"
            )
        tags = open_clip.list_pretrained_tags_by_model(name)
        if params.pretrained not in tags and not Path(params.pretrained or "").is_file():
            raise InputError(
                f"teacher.pretrained: {params.pretrained!r} is neither a file nor a tag of {params.model}; "
                f"tags: {', '.join(tags) or 'none'}"
            )


def _advice(params: TeacherParams, error: Exception) -> str:
    """One line: what failed, and what to put where on a machine without network."""
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    if params.model.startswith("local-dir:"):
        return f"teacher.model: cannot load {params.model}: {reason}"
    return (
        f"teacher: cannot load {params.model}, pretrained {params.pretrained!r} ({reason}). Offline, "
        "fetch the weights elsewhere: set teacher.pretrained to the .safetensors or .bin file, or "
        "teacher.model to local-dir:FOLDER with open_clip_config.json and open_clip_model.safetensors in it"
    )


def reachable(address: str, patience: float = PATIENCE) -> bool:
    """Whether a server of this address takes connections, asked once and quickly: the hub's client would retry for a
    minute. With a proxy that is for the client to find out."""
    parts = urlsplit(address)
    if parts.scheme in getproxies():
        return True
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), patience).close()
    except OSError:
        return False
    return True


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Within the block the hub's client looks into its own cache alone where the hub cannot be reached.

    Its warnings are held back: what fails is raised, and said once by whoever catches it.
    """
    before = constants.HF_HUB_OFFLINE
    disabled = logging.root.manager.disable
    constants.HF_HUB_OFFLINE = before or not reachable(os.environ.get("HF_ENDPOINT", constants.ENDPOINT))
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.disable(disabled)
