"""The names of ImageNet's classes, and the phrases made of them."""

from erkd.teachers.words import AMBIGUOUS, vocabulary_of, words


def test_every_class_has_a_name_of_its_own():
    names = words()
    assert len(names) == len(set(names)) == 1000
    assert (names[0], names[9], names[281], names[728]) == ("tench", "ostrich", "tabby", "plastic bag")
    assert {names[number] for number in AMBIGUOUS} == set(AMBIGUOUS.values())


def test_the_vocabulary_is_the_prompts_and_then_the_words():
    prompts = ["a photo of hair", "a photo of a tench"]
    vocabulary = vocabulary_of(prompts)
    assert vocabulary[:4] == [*prompts, "a photo of a goldfish", "a photo of a great white shark"]
    assert "a photo of an ostrich" in vocabulary
    assert len(vocabulary) == len(set(vocabulary)) == 2 + 999
