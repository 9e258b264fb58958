"""What is said of a training batch: captions, the phrases of its regions, and backdrops with made-up names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erkd.io.tables import CompositeRow
from erkd.teachers.prompts import TEMPLATES, material_phrase

COMMON = frozenset(["a", "an", "at", "focus", "in", "of", "on", "out", "the", "under", "with"])
LETTERS = "abcdefghiklmnoprstuvwz"
BY_MATERIAL = 0.5  # of images and regions are named by their material alone
INVENTED = 0.5  # of backdrops get a made-up name in the cells' loss


@dataclass(frozen=True)
class Phrases:
    """Of B images each: `captions`, `foregrounds`, `backdrops`, `invented`; and every material's name.

    `invented` are the backdrops again, some with made-up words. All of it is ready for the tokenizer.
    """

    captions: list[str]
    foregrounds: list[str]
    backdrops: list[str]
    invented: list[str]
    materials: list[str]

    def distinct(self) -> list[str]:
        """All that is said, each once, sorted."""
        parts = (self.captions, self.foregrounds, self.backdrops, self.invented, self.materials)
        return sorted({phrase for part in parts for phrase in part})


def draw_phrases(rows: Sequence[CompositeRow], materials: Sequence[str], random: np.random.Generator) -> Phrases:
    """Say every row in words drawn at random. `materials` are those that every image is told apart from."""
    template = TEMPLATES[random.integers(len(TEMPLATES))]

    def by_material(row: CompositeRow, otherwise: str) -> str:
        return template.format(material_phrase(row.material)) if random.random() < BY_MATERIAL else otherwise

    names = [template.format(material_phrase(name)) for name in materials]
    return Phrases(
        captions=[by_material(row, row.caption) for row in rows],
        foregrounds=[by_material(row, template.format(row.foreground_phrase)) for row in rows],
        backdrops=[template.format(row.background_phrase) for row in rows],
        invented=[template.format(invent(row.background_phrase, random)) for row in rows],
        materials=names,
    )


def invent(phrase: str, random: np.random.Generator) -> str:
    """The phrase with, half of the time, made-up words for most of those that name something.

    Backdrops are shown in training that are not those of other splits. A name that means nothing teaches the
    text tower where a backdrop lies that was never named.
    """
    if random.random() >= INVENTED:
        return phrase
    return " ".join(
        word if word in COMMON or random.random() < 0.3 else "".join(random.choice(list(LETTERS), 6))
        for word in phrase.split()
    )
