"""Damaged instance annotations: each is told with the file and the record named, and costs no more than it must."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.coco.coco_instances import CocoInstances
from retclip.data.readers.coco.coco_panoptic import CocoPanopticSettings
from retclip.errors import DataError

SQUARE = [[1, 1, 6, 1, 6, 6, 1, 6]]
MISSING = object()


@pytest.fixture
def document(tmp_path):
    (tmp_path / "images").mkdir()
    Pillow.fromarray(np.zeros((8, 10, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    return {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "segmentation": SQUARE}],
    }


@pytest.fixture
def refused(told, tmp_path):
    """Write the document, open it and load all of it; something that is told must hold these words."""

    def check(text, *named):
        (tmp_path / "instances.json").write_text(text if isinstance(text, str) else json.dumps(text))
        said = told(lambda: CocoInstances(CocoPanopticSettings(path=str(tmp_path))))
        assert any(all(word in one for word in named) for one in said), said

    return check


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"images": 5}', '{"annotations": {}}', "[" * 100_000])
def test_a_file_that_is_no_instances_json(refused, text):
    refused(text, "instances.json")


RECORDS = {  # name: (list, key, value, words that the error must hold)
    "category without id": ("categories", "id", MISSING, "category 0"),
    "category without name": ("categories", "name", MISSING, "category 0"),
    "category name empty": ("categories", "name", "", "category 0"),
    "category id in words": ("categories", "id", "one", "category 0"),
    "category id of a part": ("categories", "id", 1.5, "category 0"),
    "category id of yes": ("categories", "id", True, "category 0"),
    "category id infinite": ("categories", "id", float("inf"), "category 0"),
    "category id twice": ("categories", "id", 2, "twice"),
    "category name twice": ("categories", "name", "dog", "twice"),
    "synonyms of a number": ("categories", "synonyms", 5, "category 0"),
    "synonyms of numbers": ("categories", "synonyms", [5], "category 0"),
    "image without id": ("images", "id", MISSING, "image 0"),
    "image without any name": ("images", "file_name", MISSING, "image 0"),
    "image above the folder": ("images", "file_name", "../x.png", "image 0"),
    "image that is not there": ("images", "file_name", "c.png", "c.png"),
    "annotation without image": ("annotations", "image_id", MISSING, "annotation 0"),
    "annotation without category": ("annotations", "category_id", MISSING, "annotation 0"),
    "annotation of an unknown image": ("annotations", "image_id", 99, "annotation 0"),
    "annotation of an unknown category": ("annotations", "category_id", 99, "annotation 0"),
    "annotation of a list as category": ("annotations", "category_id", [1], "annotation 0"),
    "no segmentation": ("annotations", "segmentation", MISSING, "annotation 0"),
    "empty segmentation": ("annotations", "segmentation", [], "annotation 0"),
    "segmentation of words": ("annotations", "segmentation", "all", "annotation 0"),
    "a flat polygon": ("annotations", "segmentation", SQUARE[0], "annotation 0"),
    "two corners": ("annotations", "segmentation", [[1, 1, 5, 5]], "annotation 0"),
    "an odd number of values": ("annotations", "segmentation", [[*SQUARE[0], 3]], "annotation 0"),
    "a corner in words": ("annotations", "segmentation", [[1, 1, 6, 1, 6, "6"]], "annotation 0"),
    "a corner that is no number": ("annotations", "segmentation", [[1, 1, 6, 1, 6, float("nan")]], "annotation 0"),
    "a corner far away": ("annotations", "segmentation", [[1, 1, 1e30, 1, 6, 6]], "annotation 0"),
    "runs of another size": ("annotations", "segmentation", {"size": [4, 4], "counts": [16]}, "annotation 0"),
    "runs that do not fill it": ("annotations", "segmentation", {"size": [8, 10], "counts": [16]}, "annotation 0"),
    "fractions of the photo": ("annotations", "segmentation", [[0.1, 0.1, 0.6, 0.1, 0.6, 1]], "annotation 0"),
    "a crowd in words": ("annotations", "iscrowd", "perhaps", "annotation 0"),
    "runs without a size": ("annotations", "segmentation", {"counts": [16]}, "annotation 0"),
}


@pytest.mark.parametrize(("part", "key", "value", "word"), RECORDS.values(), ids=RECORDS)
def test_a_damaged_record(refused, document, part, key, value, word):
    if value is MISSING:
        del document[part][0][key]
    else:
        document[part][0][key] = value
    refused(document, word)


@pytest.mark.parametrize(("part", "key", "value", "word"), RECORDS.values(), ids=RECORDS)
def test_a_damaged_record_costs_only_itself(tmp_path, document, part, key, value, word):
    if part == "categories":
        pytest.skip("of a category everything hangs")
    Pillow.fromarray(np.zeros((8, 10, 3), np.uint8)).save(tmp_path / "images" / "b.png")
    document["images"].append({"id": 2, "file_name": "b.png"})
    document["annotations"] += [
        {"image_id": 2, "category_id": 2, "segmentation": SQUARE},
        {"image_id": 1, "category_id": 2, "segmentation": SQUARE},
    ]  # fmt: skip
    if value is MISSING:
        del document[part][0][key]
    else:
        document[part][0][key] = value
    (tmp_path / "instances.json").write_text(json.dumps(document))
    records = {one.external_id: one for one in CocoInstances(CocoPanopticSettings(path=str(tmp_path))).images()}
    assert [one.class_name for one in records["b.png"].load().truth.segments] == ["dog"]
    if part == "annotations":
        assert [one.class_name for one in records["a.png"].load().truth.segments] == ["dog"]


@pytest.mark.parametrize("part", ["categories", "images", "annotations"])
@pytest.mark.parametrize("value", [None, 5, "text", []])
def test_a_record_that_is_no_object(refused, document, part, value):
    document[part][0] = value
    refused(document, "instances.json", "0")


def test_ids_as_text_that_a_number_answers_to_are_told_so(refused, document):
    document["annotations"][0]["category_id"] = "1"
    refused(document, "annotation 0", "id '1'", "write both as numbers")
    document["annotations"][0]["category_id"] = 1
    document["images"][0]["id"] = "1"
    refused(document, "annotation 0", "id 1", "write both as numbers")
    document["images"][0]["id"] = 2
    refused(document, "annotation 0", "id 1", "add it")


def test_two_records_of_one_photo(refused, document):
    document["images"].append({"id": 2, "file_name": "a.png"})
    refused(document, "image 1 of", "instances.json", "'a.png' twice")


def test_a_photo_of_another_size_than_its_record_says(refused, document):
    document["images"][0] |= {"width": 40, "height": 32}
    refused(document, "image 1 (a.png) of", "instances.json", "40 x 32", "10 x 8", "photo that was annotated")
    document["images"][0] |= {"width": 8, "height": 10}
    refused(document, "8 x 10", "10 x 8", "photo that was annotated")


def test_a_missing_file_or_folder(tmp_path):
    with pytest.raises(DataError, match=r"instances_val\.json"):
        CocoInstances(CocoPanopticSettings(path=str(tmp_path), split="val"))
