"""Parts of the web page that need no server: its files and its samples."""

import re

import numpy as np
import pytest

from erkd.demo.samples import SAMPLES, sample_file
from tests.support import ROOT
from tests.support.demo_site import pixels


def test_the_page_names_no_other_address():
    for file in (ROOT / "erkd/demo/page").iterdir():
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", file.read_text(encoding="utf-8")), file


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_a_photo_with_its_trimap_and_a_licence(name):
    photo, trimap = (pixels(sample_file(name, suffix)) for suffix in ("jpg", "png"))
    assert photo.shape == (*trimap.shape, 3)
    assert np.unique(trimap).tolist() == [0, 128, 255]
    assert 0.05 < (trimap == 128).mean() < 0.6
    assert (ROOT / f"data/photographs/{name}.jpg").read_bytes() == sample_file(name, "jpg")  # whose licence is known
    licences = (ROOT / "erkd/demo/photographs/README.md").read_text(encoding="utf-8")
    assert re.search(rf"`{name}\.jpg` .*(CC0-1\.0|public domain)", licences)
