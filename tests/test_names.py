"""When two spellings are one class name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.names import name_key

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
