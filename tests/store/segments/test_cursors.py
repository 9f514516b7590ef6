"""Cursors: the place that comes back out of one, and every text that is none of this question."""

import base64
import json

import pytest

from retclip.errors import ConfigError
from retclip.store.segments.cursors import cursor_after, place_of

QUESTION = ["nearest", "class cat"]


def made_of(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def digest_of(question):
    cursor = cursor_after(question, [])
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]


@pytest.mark.parametrize("place", [(), (7,), (0.25, 7), (0.1 + 0.2, -3, 2**62)])
def test_a_place_comes_back_as_it_was(place):
    assert place_of(cursor_after(QUESTION, place), QUESTION, len(place)) == place


@pytest.mark.parametrize("cursor", ["", "abc", "ä", "%%%", made_of("{"), made_of("7"), made_of("null"), made_of("[]"),
                                    made_of("[" * 100_000)])  # fmt: skip
def test_a_text_that_is_no_cursor_is_refused(cursor):
    with pytest.raises(ConfigError, match="which is none"):
        place_of(cursor, QUESTION, 2)


@pytest.mark.parametrize(
    "place", [[1], [1, 2, 3], [1, "2"], [1, None], [1, float("nan")], [1, float("inf")], [1, 10**30]]
)
def test_a_place_that_no_page_ended_at_is_refused(place):
    with pytest.raises(ConfigError, match="another question, or of other filters"):
        place_of(made_of([digest_of(QUESTION), *place]), QUESTION, 2)


@pytest.mark.parametrize("other", [[], ["nearest"], ["nearest", "class dog"], ["nearestclass cat"]])
def test_the_cursor_of_another_question_is_refused_and_says_what_to_do(other):
    with pytest.raises(ConfigError, match="pass `next` of the page before"):
        place_of(cursor_after(other, [1, 2]), QUESTION, 2)
    with pytest.raises(ConfigError, match="another question"):
        place_of(made_of([7, 1, 2]), QUESTION, 2)
