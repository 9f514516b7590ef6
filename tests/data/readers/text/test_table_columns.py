"""A column is found by its name or by a usual one; where it is missing, the file and the settings are told."""

from pathlib import Path

import pytest

from retclip.data.readers.text.table_columns import column_place, count_unread
from retclip.errors import DataError
from retclip.passed_over import Tally

FILE, USUAL = Path("a.csv"), ("image", "file")


@pytest.mark.parametrize(
    ("head", "named", "place"),
    [
        (["n", "file", "image"], "", 2), (["n", " File "], "", 1), (["image", "My  Photo"], "my photo", 1),
        (["file", "FILE"], "file", 0), (["n", "Image_"], "", 1), (["image", "my_photo"], "My Photo", 1),
        (["file", ""], "", 0), (["file", "", ""], "", 0),
    ],
)  # fmt: skip
def test_the_given_name_counts_else_the_first_usual_one(head, named, place):
    assert column_place(head, named, USUAL, FILE, "image_column") == place


@pytest.mark.parametrize(
    ("head", "named"), [(["image", "IMAGE"], ""), (["x", "file", " File"], "FILE"), (["a", "a"], "a")]
)
def test_of_columns_of_one_name_none_is_taken_in_silence(head, named):
    with pytest.raises(DataError, match=r"one column .* in a\.csv; got 2 of them; rename the others"):
        column_place(head, named, USUAL, FILE, "image_column")


def test_of_columns_that_capitals_tell_apart_the_one_that_was_named_is_taken():
    assert column_place(["FILE", "file"], "file", USUAL, FILE, "image_column") == 1


@pytest.mark.parametrize(
    ("head", "named", "words"),
    [(["n", "x"], "", ("image, file", "n, x")), (["image"], "photo", ("'photo'",)), ([], "", ("no columns",))],
)
def test_a_column_that_is_missing_is_told(head, named, words):
    with pytest.raises(DataError) as caught:
        column_place(head, named, USUAL, FILE, "image_column")
    assert all(word in str(caught.value) for word in (*words, "a.csv", "image_column"))


def test_columns_that_nobody_reads_are_counted_by_their_titles():
    tally = Tally()
    count_unread(["image", " Species ", "", "score"], {0, None}, tally)
    assert tally.total.counts == {"columns that are not read (Species, score)": 2}


def test_of_many_columns_that_nobody_reads_the_first_are_named():
    tally = Tally()
    count_unread(["image", "x" * 999, *"abcdef"], {0}, tally)
    assert tally.total.counts == {f"columns that are not read ({'x' * 40}, a, b and 4 more)": 7}
