"""Things and stuff by a class list; stuff as one segment."""

import numpy as np
import pytest

from retclip.data.class_kinds import KindSettings, with_kinds, with_whole_stuff
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo

CLASSES = [SourceClass("Sky", None, (), 3), SourceClass("car", True, (), 4), SourceClass("tree")]


def kinds(tmp_path, text, name="kinds.txt"):
    (tmp_path / name).write_text(text)
    return [one.is_thing for one in with_kinds(CLASSES, KindSettings(isthing=str(tmp_path / name)))]


def test_without_a_list_the_classes_stay_as_they_are():
    assert with_kinds(CLASSES, KindSettings()) == CLASSES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "SKY | stuff\ncar | stuff\nfox | thing\n"),
        ("a.csv", "name,isthing\nsky,no\nCar,0\n"),
        ("a.json", '[{"name": "sky", "isthing": 0}, {"name": "car", "isthing": false}]'),
    ],
)
def test_the_list_has_the_last_word_and_what_it_lacks_stays(tmp_path, name, text):
    assert kinds(tmp_path, text, name) == [False, False, None]


def test_a_name_without_a_kind_says_nothing(tmp_path):
    assert kinds(tmp_path, "sky | stuff\ncar\n") == [False, True, None]


@pytest.mark.parametrize(("text", "word"), [("fox | thing\n", "kinds of 1 other"), ("sky\ncar\n", "without a kind")])
def test_a_list_that_says_nothing_of_these_classes_is_refused(tmp_path, text, word):
    with pytest.raises(DataError, match=word):
        kinds(tmp_path, text)
    with pytest.raises(DataError, match=r"none\.txt"):
        with_kinds(CLASSES, KindSettings(isthing=str(tmp_path / "none.txt")))


def test_stuff_becomes_one_segment_and_things_and_crowds_stay():
    segments = (
        SegmentInfo(1, "sky", False, 2), SegmentInfo(2, "car", True, 2), SegmentInfo(3, "sky", False, 3),
        SegmentInfo(4, "car", True, 1), SegmentInfo(5, "sky", False, 1, is_crowd=True),
    )  # fmt: skip
    truth = PanopticSegmentation(np.array([[1, 1, 2, 2, 0], [3, 3, 3, 4, 5]], np.int32), segments)
    whole = with_whole_stuff(truth)
    assert whole.label_map.tolist() == [[1, 1, 2, 2, 0], [1, 1, 1, 4, 5]] and whole.label_map.dtype == np.int32
    assert [(one.id, one.area) for one in whole.segments] == [(1, 5), (2, 2), (4, 1), (5, 1)]
    assert with_whole_stuff(whole) is whole
