"""What every COCO JSON holds: names that stay inside, the first place that is there, the size of a photo."""

import json

import numpy as np
import pytest

from retclip.data.coco_records import as_text, check_size, first_of, read_document, stay_inside
from retclip.data.images import from_array
from retclip.errors import DataError


@pytest.mark.parametrize("name", ["../a.png", "a/../../b", "/etc/passwd", "a\0.png"])
def test_a_name_that_leads_out_is_refused(name):
    with pytest.raises(DataError, match="image 3"):
        stay_inside(name, "image 3")
    stay_inside("a/b.png", "image 3")


def test_the_first_place_that_is_there(tmp_path):
    (tmp_path / "b").touch()
    assert first_of([tmp_path / "a", tmp_path / "b"], "it") == tmp_path / "b"
    with pytest.raises(DataError, match="none of them"):
        first_of([tmp_path / "a"], "it")


@pytest.mark.parametrize("value", [None, 5, "", ["a"]])
def test_only_text_is_text(value):
    assert as_text("a") == "a"
    with pytest.raises(TypeError):
        as_text(value)


def test_a_byte_order_mark_is_no_part_of_the_document(tmp_path):
    document = {"images": [], "categories": [], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8-sig")
    assert read_document(tmp_path / "a.json", "instances") == document


def test_a_photo_of_another_size_than_its_record_says_is_refused(refused):
    image, record = from_array(np.zeros((75, 100), np.uint8), "a.png"), {"id": 3, "file_name": "x/a.png"}
    other = {**record, "height": 300, "width": 400}
    named = ("image 3 (x/a.png) of a.json", "400 x 300", "100 x 75", "use the photo that was annotated")
    refused(lambda: check_size(other, image, "a.json"), *named)
    refused(lambda: check_size({**record, "height": 100, "width": 75}, image, "a.json"), "EXIF", "un-turned")


@pytest.mark.parametrize(
    "said",
    [{}, {"height": 75, "width": 100}, {"height": 75.0, "width": 100.0}, {"height": 300}, {"height": 0, "width": 0},
     {"height": None, "width": None}, {"height": "300", "width": "400"}],
)  # fmt: skip
def test_a_record_need_not_say_its_photo_s_size(said):
    check_size({"id": 3, "file_name": "a.png", **said}, from_array(np.zeros((75, 100), np.uint8)), "a.json")
