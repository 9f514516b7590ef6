"""Classes in captions: whole words, plurals, the longest name, synonyms."""

import pytest

from retclip.data.caption_words import CaptionWords
from retclip.plugin.contracts import SourceClass

WORDS = CaptionWords(
    [
        SourceClass("dog"), SourceClass("hot dog"), SourceClass("traffic light", True, ("stoplight",)),
        SourceClass("T-shirt"), SourceClass("mouse"), SourceClass("bus"), SourceClass("sky"), SourceClass("Käse"),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A dog on a bus.", ["dog", "bus"]),
        ("two hot dogs and a dog", ["hot dog", "dog"]),
        ("hotdog stand", []),
        ("dogma and skyline", []),
        ("Traffic  lights, a stoplight; mice!", ["traffic light", "mouse"]),
        ("t shirts or a T-shirt", ["T-shirt"]),
        ("buses, SKIES", ["bus", "sky"]),
        ("the dog's hat", ["dog"]),
        ("KÄSE", ["Käse"]),
        ("bus dog bus", ["bus", "dog"]),
        ("", []),
    ],
)
def test_what_a_caption_names(text, found):
    assert WORDS.classes(text) == found


def test_a_tag_is_a_whole_name():
    assert WORDS.tag(" hot dog ") == "hot dog" and WORDS.tag("Dogs") == "dog" and WORDS.tag("a dog") is None
    assert WORDS.tag("") is None and CaptionWords([]).classes("dog") == []
