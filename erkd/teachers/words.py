"""The words of ImageNet: what the thousand classes of an ImageNet head are called, and said as phrases."""

from collections.abc import Sequence
from functools import cache

from timm.data import ImageNetInfo

from erkd.teachers.prompts import TEMPLATES

CLASSES = 1000
# classes that share their first synonym with another
AMBIGUOUS = {134: "crane bird", 517: "construction crane", 638: "one-piece maillot", 639: "tank suit"}


@cache
def words() -> tuple[str, ...]:
    """The name of each class in the head's order: the first of WordNet's synonyms, and all names are distinct."""
    names = ImageNetInfo()
    firsts = (names.index_to_description(number).split(",")[0] for number in range(CLASSES))
    return tuple(AMBIGUOUS.get(number, name) for number, name in enumerate(firsts))


def with_article(word: str) -> str:
    """A word as captions say it: "an ostrich", "a tench"."""
    return f"an {word}" if word[0].lower() in "aeiou" else f"a {word}"


def vocabulary_of(prompts: Sequence[str]) -> list[str]:
    """All phrases that patches are compared with: the prompts, then "a photo of a WORD" for every word."""
    said = [TEMPLATES[0].format(with_article(word)) for word in words()]
    return [*prompts, *(phrase for phrase in said if phrase not in prompts)]
