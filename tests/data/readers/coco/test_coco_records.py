"""What every COCO JSON holds: names that stay inside, the first place that is there, the size of a photo."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.images import from_array
from retclip.data.readers.coco.coco_records import (
    as_text,
    check_size,
    first_of,
    only_one,
    read_document,
    real_categories,
)
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass


def test_the_first_place_that_is_there(tmp_path):
    (tmp_path / "b").touch()
    assert first_of([tmp_path / "a", tmp_path / "b"], "it") == tmp_path / "b"
    with pytest.raises(DataError, match="none of them"):
        first_of([tmp_path / "a"], "it")


def test_of_two_files_none_is_taken_in_silence(tmp_path):
    places = [tmp_path / name for name in "abc"]
    places[1].touch()
    places[2].symlink_to(places[1])
    assert only_one(places, "it", "annotations") == places[1]
    with pytest.raises(DataError, match=r"it at .*none of them"):
        only_one(places[:1], "it", "annotations")
    places[0].touch()
    with pytest.raises(DataError, match=r"one of it; got .*a and .*b; remove one, or name it: annotations=FILE"):
        only_one(places, "it", "annotations")


@pytest.mark.parametrize("value", [None, 5, "", ["a"]])
def test_only_text_is_text(value):
    assert as_text("a") == "a"
    with pytest.raises(TypeError):
        as_text(value)


def test_a_byte_order_mark_is_no_part_of_the_document(tmp_path):
    document = {"images": [], "categories": [], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8-sig")
    assert read_document(tmp_path / "a.json", "instances") == document


def photo(height=75, width=100, orientation=1, frame="upright"):
    image = replace(from_array(np.zeros((height, width), np.uint8), "a.png"), orientation=orientation)
    return AnnotatedPhoto(image, frame)


def test_a_photo_of_another_size_than_its_record_says_is_refused(refused):
    record = {"id": 3, "file_name": "x/a.png"}
    other = {**record, "height": 300, "width": 400}
    named = ("image 3 (x/a.png) of a.json", "400 x 300", "100 x 75", "use the photo that was annotated")
    refused(lambda: check_size(other, photo(), "a.json"), *named)
    turned = {**record, "height": 100, "width": 75}
    refused(lambda: check_size(turned, photo(), "a.json"), "use the photo that was annotated")
    refused(lambda: check_size(turned, photo(orientation=6), "a.json"), "EXIF", "set orientation=stored")
    check_size(turned, photo(orientation=6, frame="stored"), "a.json")
    refused(
        lambda: check_size({**record, "height": 75, "width": 100}, photo(orientation=8, frame="stored"), "a.json"),
        "set orientation=upright",
    )


@pytest.mark.parametrize("said", [{"height": 300}, {"width": "400"}, {"height": "300", "width": "400"}])
def test_a_side_alone_and_a_number_as_text_state_a_size_too(refused, said):
    refused(lambda: check_size({"id": 3, **said}, photo(), "a.json"), "image 3", str(next(iter(said.values()))))


@pytest.mark.parametrize(
    "said",
    [{}, {"height": 75, "width": 100}, {"height": 75.0, "width": 100.0}, {"height": 75}, {"height": 0, "width": 0},
     {"height": None, "width": None}, {"height": "75", "width": "100"}, {"height": float("nan"), "width": 100},
     {"height": -1, "width": True}, {"height": "high", "width": "1.5"}],
)  # fmt: skip
def test_a_record_need_not_say_its_photo_s_size(said):
    check_size({"id": 3, "file_name": "a.png", **said}, photo(), "a.json")


CATEGORIES = [
    {"id": 0, "name": "Fish", "supercategory": "none"},
    {"id": 1, "name": "fish", "supercategory": "Fish"},
    {"id": 2, "name": "crab", "supercategory": "Fish"},
]


def kept(categories, *annotated, key="category_id"):
    annotations = [{"category_id": number} for number in annotated]
    if key == "segments_info":
        annotations = [{"image_id": 1, "segments_info": annotations}]
    known = {one["id"]: SourceClass(one["name"]) for one in categories}
    document = {"categories": categories, "annotations": annotations}
    return list(real_categories(known, document, Path("a.json")))


@pytest.mark.parametrize("key", ["category_id", "segments_info"])
def test_a_category_that_only_heads_the_others_is_left_out(key, refused):
    assert kept(CATEGORIES, 1, 2, key=key) == [1, 2]
    for head in (0, 0.0):
        refused(lambda head=head: kept(CATEGORIES, head, 1, key=key), "'Fish' and 'fish'", "the categories of a.json")


def test_a_category_of_its_own_stays_annotated_or_not(refused):
    other = [{**CATEGORIES[0], "name": "sea life"}, *CATEGORIES[1:]]
    assert kept(other) == [0, 1, 2], "no other says that it is under it"
    nested = [CATEGORIES[0], {"id": 1, "name": "crab", "supercategory": "crab"}, {"id": 2, "name": "eel"}]
    assert kept(nested) == [0, 1, 2], "its own name heads nothing"
    middle = [{"id": 0, "name": "eel", "supercategory": "fish"}, {"id": 1, "name": "moray", "supercategory": "eel"}]
    assert kept(middle) == [0, 1], "it is under another, so it is no root"
    refused(lambda: kept([CATEGORIES[0], {"id": 1, "name": "fish"}], 1), "'Fish' and 'fish', which are one name")
