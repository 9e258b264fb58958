"""The ImageNet weights: paired rightly, which only a right answer about a photograph shows."""

import pytest
import timm
import torch
import torch.nn.functional as F
from skimage import data

from erkd.io import imagenet
from erkd.io.files import InputError
from erkd.io.imagenet import MEAN, MODEL, STD, imagenet_state_dict

CATS = range(281, 286)


def test_a_bundled_photograph_of_a_cat_is_classified_as_a_cat():
    model = timm.create_model(MODEL).eval()
    model.load_state_dict(imagenet_state_dict())
    image = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None] / 255
    image = F.interpolate(image, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    with torch.no_grad():
        scores = model((image - MEAN[0]) / STD[0])[0].softmax(0)
    assert scores.argmax().item() in CATS
    assert scores[CATS.start : CATS.stop].sum() > 0.5


def test_weights_of_another_network_are_refused(monkeypatch, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    monkeypatch.setattr(imagenet, "_weights_file", lambda: tmp_path / "other.pth")
    with pytest.raises(InputError, match="expected 296 weights, found 1"):
        imagenet_state_dict()


def test_entries_of_another_shape_are_named(monkeypatch, tmp_path):
    wrong = dict(imagenet_state_dict())
    wrong["classifier.bias"] = torch.zeros(10)
    torch.save(wrong, tmp_path / "other.pth")
    monkeypatch.setattr(imagenet, "_weights_file", lambda: tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"classifier\.bias is \(10,\), classifier\.bias needs \(1000,\)"):
        imagenet_state_dict()


def test_a_file_that_would_run_code_is_not_loaded(monkeypatch, tmp_path):
    torch.save({"weight": print}, tmp_path / "other.pth")
    monkeypatch.setattr(imagenet, "_weights_file", lambda: tmp_path / "other.pth")
    with pytest.raises(Exception, match=r"weights_only|Unsupported"):
        imagenet_state_dict()
