"""Rows of the tables, of which a test gives what it is about."""

from erkd.io.tables import CompositeRow, LayerRow


def composite_row(sample_id: str = "s", split: str = "train", **changes: object) -> CompositeRow:
    values = {
        "source": "t", "licence": "CC0", "foreground_id": "f", "background_id": "b", "material": "net",
        "image": "i.png", "alpha": "a.png", "height": 8, "width": 8, "seed": 0, "caption": "c",
        "foreground_phrase": "a net", "background_phrase": "a wall",
    }  # fmt: skip
    return CompositeRow(sample_id=sample_id, split=split, **values | changes)


def layer_row(layer_id: str, kind: str, split: str = "train", **changes: object) -> LayerRow:
    values = {
        "source": "t", "licence": "CC0", "material": "net", "image": f"{layer_id}.png", "alpha": "",
        "height": 8, "width": 8, "seed": 0, "caption": "c",
    }  # fmt: skip
    return LayerRow(layer_id=layer_id, kind=kind, split=split, **values | changes)


def phrase_row(material: str, backdrop: str, **changes: str) -> CompositeRow:
    """A composite of a material before a backdrop, as it is said of."""
    words = {"material": material, "foreground_phrase": f"a {material}", "background_phrase": backdrop}
    return composite_row(**words | changes)
