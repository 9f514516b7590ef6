"""Classes in captions: whole words, plurals, the longest name, synonyms."""

import pytest

from retclip.data.readers.text.caption_words import CaptionWords
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


ALIKE = CaptionWords(
    [
        SourceClass("screen door", None, ("screen",)), SourceClass("screen", None, ("silver screen",)),
        SourceClass("glass"), SourceClass("glasses"), SourceClass("bureau", None, ("desk",)), SourceClass("desk"),
        SourceClass("goggle"), SourceClass("eyewear", None, ("goggles",)), SourceClass("shade", None, ("pane",)),
        SourceClass("window", None, ("panes",)),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a screen", "screen"),
        ("two screens", "screen"),
        ("a screen door", "screen door"),
        ("a silver screen", "screen"),
        ("wears glasses", "glasses"),
        ("a glass", "glass"),
        ("a desk", "desk"),
        ("two desks", "desk"),
        ("goggles", "eyewear"),
        ("a pane", "shade"),
        ("panes", "window"),
    ],
)
def test_names_go_before_synonyms_and_both_before_plurals_whatever_the_order_of_the_classes(text, found):
    assert ALIKE.classes(text) == [found]


def test_a_tag_is_a_whole_name():
    assert WORDS.tag(" hot dog ") == "hot dog" and WORDS.tag("Dogs") == "dog" and WORDS.tag("a dog") is None
    assert WORDS.tag("") is None and CaptionWords([]).classes("dog") == []
