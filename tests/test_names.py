"""What a class name may be, and when two spellings are one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.errors import DataError
from retclip.names import LONGEST, checked_name, distinct, name_key

letters = st.text("abzABZ0-_'äÄéßñΩωж漢", min_size=1, max_size=6)
spaces = st.sampled_from([" ", "  ", "\t", "\n", "\u00a0", " \u3000 "])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Traffic  Light", "traffic light"),
        (" sky\t", "sky"),
        ("Straße", "STRASSE"),  # casefold, where lower would leave the ß
        ("caf\u00e9", "cafe\u0301"),  # one code point, or a letter and its accent
        ("ＴＶ", "tv"),  # full-width letters of Asian keyboards
        ("ﬁre hydrant", "fire hydrant"),  # a ligature that survived a copy from a PDF
        ("dining\u00a0table", "dining table"),
    ],
)
def test_two_spellings_of_one_name(one, other):
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("car", "cars"), ("sea lion", "sealion"), ("café", "cafe"), ("t-shirt", "t shirt"), ("a", "")]
)
def test_two_names(one, other):
    assert name_key(one) != name_key(other)


@settings(max_examples=80, deadline=None)
@given(st.lists(letters, min_size=1, max_size=4), spaces, spaces)
def test_case_and_white_space_do_not_matter_and_the_words_do(words, gap, edge):
    key = name_key(" ".join(words))
    assert name_key(edge + gap.join(words).upper() + edge) == key
    assert len(key.split(" ")) == len(words)
    assert name_key(key) == key, "a key is its own key"
    assert name_key(" ".join([*words, "x"])) != key


PERSIAN = "می\u200cدان"  # without the non-joiner its letters join to another word's
HINDI = "क\u094d\u200dष"  # the joiner keeps half of the first letter visible
ASTRONAUT, FLAME, PIRATES = "👩🏽\u200d🚀", "❤\ufe0f\u200d🔥", "🏴\u200d☠\ufe0f"
WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@pytest.mark.parametrize("name", [PERSIAN, HINDI, ASTRONAUT, FLAME, PIRATES, WALES, "1\ufe0f\u20e3", "น้ำ", "🫩 face"])
def test_what_an_invisible_character_writes_stays_and_counts(name):
    assert checked_name(name, "a test") == name
    bare = "".join(one for one in name if one.isprintable())
    if bare != name and "\ufe0f" not in name:
        assert name_key(name) != name_key(bare)


def test_how_an_emoji_is_drawn_makes_no_other_class():
    assert name_key("❤\ufe0f") == name_key("❤\ufe0e") == name_key("❤")
    assert checked_name("❤\ufe0f", "a test") == "❤\ufe0f"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("s\u200bk\u200cy\u200d", "sky"),  # Latin letters never join
        ("\u202esky\u2069\ufeff", "sky"),
        ("so\u00adfa", "sofa"),
        (PERSIAN + "\u200c \u200cها", PERSIAN + " ها"),  # nothing to keep apart at the end of a word
        ("\u3164\u115fsky\u034f", "sky"),  # letters and marks that nobody sees
        ("fox\n\tred \u2028 deer", "fox red deer"),
        ("cafe\u0301", "café"),
        ("m²", "m²"),
        ("sky\ue000", "sky\ue000"),
        (" x" * 100, ("x " * 100).strip()),
    ],
)
def test_a_name_as_it_is_kept(name, shown):
    assert checked_name(name, "a test") == shown
    assert checked_name(shown, "a test") == shown
    assert name_key(name) == name_key(shown)


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("", "a blank one"),
        (" \u3000\t", "a blank one"),
        ("\u200b\ufe0f\u200d", "a blank one"),
        ("n" * 5000, "5000 characters"),
        ("n" * (LONGEST + 1), "201 characters"),
        ("\ufdfa" * 20, "20 characters"),  # 18 letters each in the key, which the catalog holds, too
        ("a\0b", "U+0000"),
        ("\x1b[31mred", "U+001B"),
        ("\x9bred", "U+009B"),
        ("\ud800x", "U+D800"),
        ("caf\udce9", "U+DCE9"),
        (None, "None"),
        (7, "7"),
        (["sky"], "['sky']"),
    ],
)
def test_a_name_that_cannot_be(name, got):
    with pytest.raises(DataError) as caught:
        checked_name(name, "class 3 of the list")
    assert "class 3 of the list" in caught.value.expected and got in caught.value.got
    caught.value.got.encode()


def test_the_longest_name():
    assert checked_name("n" * LONGEST, "a test") == "n" * 200


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=8))
def test_every_text_has_one_key_that_a_database_can_hold(text):
    key = name_key(text)
    key.encode()
    assert "\0" not in key
    assert name_key(key) == key == name_key(f" {text.casefold()}\n") == name_key(text.casefold())


def test_two_names_of_one_class_are_told_with_their_places():
    distinct(["fish", "crab"], "a list")
    with pytest.raises(
        DataError, match="each class once in a list; got 'fish' and 'Fish', which are one name, at 1 and 3"
    ):
        distinct(["fish", "crab", "Fish"], "a list")
    with pytest.raises(DataError, match="'a' twice, at 1 and 2"):
        distinct(["a", "a"], "a list")
