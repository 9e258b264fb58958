"""Exchanged codes: another image's of the same kind, at the same place and shares."""

import pytest
import torch

from erkd.distill.exchanged_codes import exchange, other_rows
from erkd.distill.targets import crop_targets
from erkd.io.files import InputError
from erkd.io.tables import CompositeRow, LayerRow
from tests.support.students import layered_batch, random_cache, small_methods, small_student


def layers(kinds):
    return [LayerRow(str(i), kind, "train", *[""] * 5, 8, 8, i, "") for i, kind in enumerate(kinds)]


def test_each_layer_gets_another_of_its_kind_and_none_is_left_out():
    kinds = ["foreground", "background", "foreground", "background", "foreground", "background", "background"]
    for seed in range(9):
        others = other_rows(layers(kinds), seed).tolist()
        assert sorted(others) == list(range(7))
        assert all(other != row and kinds[other] == kinds[row] for row, other in enumerate(others))
    assert torch.equal(other_rows(layers(kinds), 3), other_rows(layers(kinds), 3))
    assert len({tuple(other_rows(layers(kinds), seed).tolist()) for seed in range(9)}) > 1


def test_composites_are_of_one_kind_and_one_layer_has_no_other():
    stored = [CompositeRow(name, "train", *[""] * 7, 8, 8, 0, "", "", "") for name in "ab"]
    assert other_rows(stored, 0).tolist() == [1, 0]
    with pytest.raises(InputError, match="one background only"):
        other_rows(layers(["foreground", "foreground", "background"]), 0)


def test_only_the_index_is_exchanged():
    batch, others = layered_batch(), torch.tensor([1, 0, 2])
    first, second, background = exchange(batch, others).crops
    assert first.index.tolist() == [1, 1]
    assert second.index.tolist() == [0, 0]
    assert background.index.tolist() == [2, 2]
    assert all(torch.equal(new.share, old.share) for new, old in zip((first, second), batch.crops, strict=False))
    assert exchange(batch, None) is batch


@pytest.mark.parametrize("target", ["mixed", "layered"])
def test_erkd_is_taught_by_the_other_images_codes(target):
    """As if the cache held the codes in the exchanged order."""
    student, batch, others = small_student(), layered_batch(), torch.tensor([1, 0, 2])
    matte = student(batch.image, batch.trimap)
    own, exchanged = (
        small_methods(student, "erkd", erkd={"target": target}, others=each)["erkd"] for each in (None, others)
    )
    own.load_state_dict(exchanged.state_dict(), strict=False)
    moved = exchange(batch, others)
    expected, found = own(matte, moved, 0.0), exchanged(matte, batch, 0.0)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert found["feature_16"] != own(matte, batch, 0.0)["feature_16"]
    assert not torch.equal(crop_targets(random_cache(), batch, 4), crop_targets(random_cache(), moved, 4))
