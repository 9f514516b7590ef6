"""A view of a source: what is not given is the source's own, and the source is left as it is."""

from dataclasses import replace

import numpy as np
import pytest

from retclip.data.source_view import SourceView, with_image
from retclip.passed_over import PassedOver
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image


class Source:
    name = "many"

    def classes(self):
        return [SourceClass("car")]

    def images(self):
        return (SourceImage(str(n), "", None, None) for n in range(5))

    def passed_over(self):
        return PassedOver({"no photos": 2})

    def __len__(self):
        return 5


def ids(view):
    return [one.external_id for one in view.images()]


def test_a_view_of_which_nothing_is_said_is_the_source():
    view = SourceView(Source())
    assert (view.name, view.classes(), len(view), ids(view)) == ("many", [SourceClass("car")], 5, list("01234"))
    assert view.passed_over().counts == {"no photos": 2}


@pytest.mark.parametrize(("most", "wanted"), [(0, 0), (1, 1), (3, 3), (5, 5), (9, 5)])
def test_the_first_so_many_in_order(most, wanted):
    view = SourceView(Source(), most=most)
    assert ids(view) == [str(n) for n in range(wanted)] and len(view) == wanted


def test_classes_and_records_may_be_others():
    view = SourceView(Source(), (SourceClass("boat"),), lambda one: replace(one, external_id=f"my {one.external_id}"))
    assert [one.name for one in view.classes()] == ["boat"] and ids(view)[:2] == ["my 0", "my 1"]
    assert ids(SourceView(Source())) == list("01234")


def test_chosen_records_are_all_that_there_is():
    view = SourceView(Source(), records=list(Source().images())[3:])
    assert (ids(view), len(view), view.passed_over()) == (["3", "4"], 2, PassedOver())


def test_no_record_follows_once_there_are_enough():
    asked = iter([False, False, True])
    assert ids(SourceView(Source(), enough=lambda: next(asked))) == ["0", "1"]


def test_an_image_is_changed_when_it_is_loaded_and_not_before():
    image, loaded = Image(np.zeros((1, 1, 3), np.uint8), "0" * 64), []
    record = SourceImage("1", "", lambda: loaded.append(1) or image, str)
    changed = with_image(record, lambda one: replace(one, uri="elsewhere"))
    assert loaded == []
    assert changed.load().uri == "elsewhere" and record.load() is image
