"""Names that a model would cut are refused, names that it reads alike are told."""

import logging

import pytest

from retclip.errors import NamesTooLong
from retclip.plugin import read_names
from retclip.plugin.read_names import check_read_whole, tell_read_alike


@pytest.fixture(autouse=True)
def nothing_said_yet():
    read_names._warn.cache_clear()


def test_a_name_that_is_read_whole_passes_and_a_longer_one_is_refused_by_name():
    check_read_whole({"a": 5, "b": 77}, 77, "a model")
    with pytest.raises(NamesTooLong) as caught:
        check_read_whole({"a": 5, "b" * 100: 78, **{str(n): 90 for n in range(5)}}, 77, "a model")
    error = caught.value
    assert error.exit_code == 2 and "at most 77 tokens for a model" in error.expected
    assert f"{'b' * 60!r} with 78 tokens, '0' with 90 tokens" in error.got and "and 3 more" in error.got
    assert error.names == ("b" * 100, "0", "1", "2", "3", "4") and "retclip class rename" in error.todo


def test_names_of_the_same_tokens_are_told_once(caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tell_read_alike({"C": [7], "C#": [7], "dog": [8, 9]}, "a model")
    (record,) = caplog.records
    assert record.getMessage() == "a model reads these names alike, so it cannot tell them apart: 'C', 'C#'"


def test_a_name_without_a_known_letter_is_told_alone(caplog):
    with caplog.at_level(logging.WARNING):
        tell_read_alike({"\U0001f98a": [0, 0], "dog": [8, 0]}, "a model", unknown=0)
    assert [one.getMessage() for one in caplog.records] == ["a model knows no letter of '\U0001f98a'"]
