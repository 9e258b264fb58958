"""Parts of the web page that need no server: its files and its samples."""

import re

import numpy as np
import pytest

from erkd.demo.samples import SAMPLES, draw_sample
from tests.support import ROOT
from tests.support.demo_site import pixels


def test_the_page_names_no_other_address():
    for file in (ROOT / "erkd/demo/page").iterdir():
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", file.read_text(encoding="utf-8")), file


@pytest.mark.parametrize("name", list(SAMPLES))
def test_a_sample_is_a_photo_with_its_trimap(name):
    photo, trimap = (pixels(file) for file in draw_sample(name))
    assert photo.shape == (*trimap.shape, 3)
    assert max(trimap.shape) == 800
    assert np.unique(trimap).tolist() == [0, 128, 255]
    assert 0.05 < (trimap == 128).mean() < 0.6
