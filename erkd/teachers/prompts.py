"""The phrases that captions, regions and cells are compared with."""

from collections import Counter
from collections.abc import Sequence

from erkd.io.tables import CompositeRow

TEMPLATES = ("a photo of {}", "{}", "a picture of {}", "a close-up of {}", "a photo of {} up close")
BACKDROPS = 4


def material_phrase(material: str) -> str:
    """A material's name as it is said: `wire_mesh` is "wire mesh"."""
    return material.replace("_", " ")


def materials_of(rows: Sequence[CompositeRow]) -> list[str]:
    """The materials of a table, sorted."""
    return sorted({row.material for row in rows})


def prompts_of(rows: Sequence[CompositeRow]) -> list[str]:
    """One prompt per material, then one for each of the commonest backdrops: at most four."""
    counts = Counter(row.background_phrase for row in rows)
    backdrops = sorted(counts, key=lambda phrase: (-counts[phrase], phrase))[:BACKDROPS]
    phrases = [*map(material_phrase, materials_of(rows)), *backdrops]
    return [TEMPLATES[0].format(phrase) for phrase in phrases]
