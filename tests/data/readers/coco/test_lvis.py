"""Which classes were looked for in a photo of LVIS, and what is told where nobody says it."""

from pathlib import Path

import numpy as np
import pytest

from retclip.annotated_objects import AnnotatedObjects, ObjectMask
from retclip.data.readers.coco.lvis import is_lvis, looked_for
from retclip.plugin.contracts import SourceClass

CATEGORIES = {1: SourceClass("cat"), 2: SourceClass("alarm clock"), 3: SourceClass("kite")}
OBJECTS = AnnotatedObjects((ObjectMask.of(np.ones((2, 2), bool), "cat"),))


def test_a_file_is_lvis_by_its_categories_or_its_name():
    for categories, name in (([{"id": 1, "frequency": "r"}], "a.json"), ([{"id": 1}], "lvis_v1_val.json")):
        assert is_lvis({"categories": categories}, Path(name))
    assert not is_lvis({"categories": [{"id": 1, "supercategory": "x"}, "odd"]}, Path("instances_val.json"))


def test_what_is_not_there_and_what_is_not_all_there():
    photo = {"neg_category_ids": [2, 77], "not_exhaustive_category_ids": [1]}
    found = looked_for(OBJECTS, photo, CATEGORIES, Path("lvis.json"))
    assert (found.absent, found.incomplete, found.uncounted) == ({"alarm clock"}, {"cat"}, "")
    assert found.objects == OBJECTS.objects


@pytest.mark.parametrize(
    "photo", [{}, {"neg_category_ids": []}, {"neg_category_ids": None, "not_exhaustive_category_ids": []},
              {"neg_category_ids": [[1]], "not_exhaustive_category_ids": []}]
)  # fmt: skip
def test_a_photo_that_does_not_say_it_leaves_no_ap(photo):
    found = looked_for(OBJECTS, photo, CATEGORIES, Path("/data/lvis_v1_val.json"))
    assert found.absent is None and "lvis_v1_val.json does not say which classes were looked for" in found.uncounted
