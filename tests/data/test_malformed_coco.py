"""Damaged COCO panoptic annotations: each is told with file and record, and costs no more than it must."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.errors import DataError

PHOTO = np.full((4, 6, 3), 90, np.uint8)
COLOURS = np.zeros((4, 6, 3), np.uint8)  # as the fixture's maps
COLOURS[:, 1:4, 0], COLOURS[:, 4:, :2] = 7, (44, 1)


@pytest.fixture
def refused(told, coco):
    """Open the set and load all of it; something that is told must hold these words."""

    def check(*named):
        said = told(lambda: CocoPanoptic(CocoPanopticSettings(path=str(coco.root))))
        assert any(all(word in one for word in named) for one in said), said

    return check


NO_JSON = {
    "empty": "",
    "words": "hello",
    "cut": '{"images": [',
    "not utf-8": b'{"images": "\xff\xfe"}',
    "deeply nested": "[" * 100_000,
    "a number of 5000 digits": '{"images": [], "annotations": [], "categories": [' + "9" * 5000 + "]}",
    "null": "null",
    "a list": "[]",
    "a string": '"images"',
    "a detection file": '{"images": [], "annotations": [{"segmentation": []}]}',
    "images of null": '{"images": null, "annotations": [], "categories": []}',
    "images in an object": '{"images": {}, "annotations": [], "categories": []}',
    "categories in an object": '{"images": [], "annotations": [], "categories": {}}',
}


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_a_file_that_is_no_panoptic_json(coco, refused, text):
    coco.raw(text)
    refused(str(coco.file))


def test_a_missing_file_or_photo_folder_or_split(coco, refused):
    with pytest.raises(DataError, match="split 'test'"):
        CocoPanoptic(CocoPanopticSettings(path=str(coco.root), split="test"))
    with pytest.raises(DataError, match=r"elsewhere\.json"):
        CocoPanoptic(CocoPanopticSettings(path=str(coco.root), annotations=str(coco.root / "elsewhere.json")))
    (coco.root / "images").rename(coco.root / "pictures")
    refused(str(coco.root / "a.png"))  # looked for beside the JSON
    coco.file.rename(coco.root / "panoptic_val.json")
    with pytest.raises(DataError, match=r"photos of .*panoptic_val\.json"):
        CocoPanoptic(CocoPanopticSettings(path=str(coco.root), split="val"))


MISSING = object()
RECORDS = {  # name: (list, record, key, value, words that the error must hold)
    "category without id": ("categories", 1, "id", MISSING, "category 1"),
    "category without name": ("categories", 0, "name", MISSING, "category 0"),
    "category without isthing": ("categories", 0, "isthing", MISSING, "category 0"),
    "category id in words": ("categories", 0, "id", "one", "category 0"),
    "category id of a part": ("categories", 0, "id", 1.5, "category 0"),
    "category id of infinity": ("categories", 0, "id", float("inf"), "category 0"),
    "category name of null": ("categories", 0, "name", None, "category 0"),
    "category name empty": ("categories", 0, "name", "", "category 0"),
    "isthing in words": ("categories", 0, "isthing", "perhaps", "category 0"),
    "category id twice": ("categories", 1, "id", 1, "'sky'"),
    "category name twice": ("categories", 1, "name", "cat", "'cat'"),
    "image without id": ("images", 1, "id", MISSING, "image 1"),
    "image without file name": ("images", 0, "file_name", MISSING, "image 0"),
    "image name of a number": ("images", 0, "file_name", 5, "image 0"),
    "image id of a list": ("images", 0, "id", [10], "image 0"),
    "image id twice": ("images", 1, "id", 10, "10"),
    "photo twice": ("images", 1, "file_name", "a.png", "annotation 1"),
    "photo above the folder": ("images", 1, "file_name", "../../etc/passwd", "image 1"),
    "photo at an absolute path": ("images", 0, "file_name", "/etc/passwd", "image 0"),
    "photo with a null character": ("images", 0, "file_name", "a\0.png", "image 0"),
    "photo that is not there": ("images", 0, "file_name", "c.png", "c.png"),
    "photo that is a folder": ("images", 0, "file_name", ".", "images"),
    "annotation without image": ("annotations", 1, "image_id", MISSING, "annotation 1"),
    "annotation without file name": ("annotations", 0, "file_name", MISSING, "annotation 0"),
    "annotation without segments": ("annotations", 0, "segments_info", MISSING, "annotation 0"),
    "annotation of an unknown image": ("annotations", 0, "image_id", 99, "annotation 0"),
    "annotation of a list": ("annotations", 0, "image_id", [10], "annotation 0"),
    "annotation twice": ("annotations", 1, "image_id", 10, "annotation 1"),
    "annotation name of a number": ("annotations", 1, "file_name", 5, "annotation 1"),
    "segments of null": ("annotations", 0, "segments_info", None, "annotation 0"),
    "segments of a number": ("annotations", 0, "segments_info", 3, "annotation 0"),
    "segments of words": ("annotations", 0, "segments_info", "abc", "annotation 0"),
    "segments of an object": ("annotations", 0, "segments_info", {"id": 7}, "annotation 0"),
    "png above the folder": ("annotations", 0, "file_name", "../images/a.png", "annotation 0"),
    "png at an absolute path": ("annotations", 0, "file_name", "/tmp/a.png", "annotation 0"),
    "png that is not there": ("annotations", 0, "file_name", "c.png", "c.png"),
}


def damage(record, key, value):
    if value is MISSING:
        del record[key]
    else:
        record[key] = value


@pytest.mark.parametrize(("part", "number", "key", "value", "word"), RECORDS.values(), ids=RECORDS)
def test_a_damaged_record(coco, refused, part, number, key, value, word):
    damage(coco.document[part][number], key, value)
    coco.save()
    refused(str(coco.root), word)


@pytest.mark.parametrize("part", ["categories", "images", "annotations"])
@pytest.mark.parametrize("value", [None, 5, "text", []])
def test_a_record_that_is_no_object(coco, refused, part, value):
    coco.document[part][0] = value
    coco.save()
    refused(str(coco.file), f"{ {'categories': 'category'}.get(part, part[:-1]) } 0")


SEGMENTS = {
    "without id": ("id", MISSING),
    "without category": ("category_id", MISSING),
    "of an unknown category": ("category_id", 99),
    "of a category in words": ("category_id", "1"),
    "of a category in a list": ("category_id", [1]),
    "with id 0, which is void": ("id", 0),
    "with a negative id": ("id", -7),
    "with the id of another": ("id", 300),
    "with an id in words": ("id", "seven"),
    "with an infinite id": ("id", float("inf")),
}


@pytest.mark.parametrize(("key", "value"), SEGMENTS.values(), ids=SEGMENTS)
def test_a_damaged_segment(coco, refused, key, value):
    damage(coco.document["annotations"][1]["segments_info"][0], key, value)
    coco.save()
    refused(str(coco.file), "annotation 1")


def test_an_id_only_in_the_png_or_only_in_the_json(coco, refused):
    del coco.document["annotations"][0]["segments_info"][1]
    coco.save()
    refused(str(coco.root / "panoptic" / "a.png"), "segment 300", "only in the PNG")
    coco.document["annotations"][0]["segments_info"] += [
        {"id": 300, "category_id": 2},
        {"id": 256**3, "category_id": 2},
    ]
    coco.save()
    refused(str(coco.root / "panoptic" / "a.png"), "segment 16777216", "only in the JSON")
    coco.png("panoptic/a.png", np.where(COLOURS == 7, 8, np.where(COLOURS == 44, 45, COLOURS)))
    refused(str(coco.root / "panoptic" / "a.png"), "the same ids", "[7, 8, 300, 301, 16777216]")


@pytest.mark.parametrize("shape", [(6, 4), (4, 5), (8, 12)])
def test_a_png_of_another_size_than_its_photo(coco, refused, shape):
    coco.png("images/a.png", np.zeros((*shape, 3), np.uint8))
    refused(str(coco.root / "images" / "a.png"), str(shape), "(4, 6)")


def test_a_png_that_holds_no_colours_or_is_damaged(coco, refused):
    path = coco.root / "panoptic" / "a.png"
    whole = path.read_bytes()
    Pillow.new("L", (6, 4)).save(path)
    refused(str(path), "RGB")
    path.write_bytes(whole[: len(whole) // 2])
    refused(str(path))
    Pillow.open(coco.root / "images" / "a.png").save(path, format="JPEG")
    refused(str(path), "PNG")


def test_a_damaged_segment_costs_that_segment_and_its_pixels_are_void(coco):
    coco.document["annotations"][0]["segments_info"][1]["category_id"] = 99
    coco.document["annotations"][1]["segments_info"].append({"id": 5, "category_id": 1})
    coco.save()
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root)))
    first, second = (record.load() for record in source.images())
    assert [(one.class_name, one.area) for one in first.truth.segments] == [("cat", 12)]
    assert not first.truth.label_map[:, 4:].any() and not first.passed_over  # told of the source, once
    assert [part.record for part in source.passed_over().bad] == [f"segment 1 of annotation 0 of {coco.file}"]
    assert [one.class_name for one in second.truth.segments] == ["cat", "sky"]
    assert second.passed_over.counts == {"objects that cannot be read": 1}


@pytest.mark.parametrize("name", [name for name in RECORDS if not name.startswith(("category", "isthing"))])
def test_a_damaged_record_costs_that_photo_alone(coco, told, name):
    part, number, key, value, _ = RECORDS[name]
    for other in ("c", "d"):
        coco.png(f"images/{other}.jpg", PHOTO)
        coco.png(f"panoptic/{other}z.png", COLOURS)
        coco.document["images"].append({"id": other, "file_name": f"{other}.jpg"})
        segments = [{"id": 7, "category_id": 1}, {"id": 300, "category_id": 2}]
        record = {"image_id": other, "file_name": f"{other}z.png", "segments_info": segments}
        coco.document["annotations"].append(record)
    damage(coco.document[part][number], key, value)
    coco.save()
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root)))
    loaded = {one.external_id: one for one in source.images()}
    for other in ("c.jpg", "d.jpg"):
        assert [one.class_name for one in loaded[other].load().truth.segments] == ["cat", "sky"]


@pytest.mark.parametrize("word", ["0", "false", "No", 0, False, None, 0.0])
def test_no_in_any_spelling_is_no_crowd(coco, word):
    for one in coco.document["annotations"][0]["segments_info"]:
        one["iscrowd"] = word
    coco.document["categories"][1]["isthing"] = "0" if word is None else word
    coco.save()
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root)))
    assert [one.is_crowd for one in next(source.images()).load().truth.segments] == [False, False]
    assert [one.is_thing for one in source.classes()] == [True, False]


def test_names_of_windows_and_photos_beside_the_folder(coco):
    coco.document["images"][0]["file_name"] = "images\\a.png"
    coco.document["annotations"][0]["file_name"] = ".\\a.png"
    coco.save()
    record = next(CocoPanoptic(CocoPanopticSettings(path=str(coco.root))).images())
    assert record.external_id == "images/a.png" and record.load().truth.segments


def test_a_photo_without_an_annotation_is_counted(coco):
    del coco.document["annotations"][1]
    coco.save()
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root)))
    assert len(source) == 1 and source.passed_over().counts == {"photos without an annotation": 1}


def test_an_id_of_two_segments_of_other_classes_is_void_and_of_one_class_stays(coco):
    segments = coco.document["annotations"][0]["segments_info"]
    coco.document["annotations"][0]["segments_info"] = [*segments, {**segments[0]}, {**segments[1], "category_id": 1}]
    coco.document["annotations"][0]["segments_info"].append(dict(segments[1]))
    coco.save()
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root)))
    first = next(iter(source.images())).load()
    assert [(one.class_name, one.area) for one in first.truth.segments] == [("cat", 12)]
    assert not first.truth.label_map[:, 4:].any()
    assert source.passed_over().counts == {"objects that cannot be read": 3}


def test_a_map_of_two_photos_is_nobody_s(coco):
    coco.document["annotations"][1]["file_name"] = coco.document["annotations"][0]["file_name"]
    coco.save()
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root)))
    assert list(source.images()) == [] and source.passed_over().counts["records that cannot be read"] == 1
    assert "for several" in source.passed_over().bad[0].reason


@pytest.mark.parametrize("value", [True, None])
def test_yes_and_null_are_no_ids(coco, value):
    coco.document["images"][0]["id"] = value
    coco.document["annotations"][1]["segments_info"][0]["category_id"] = value
    coco.save()
    tally = CocoPanoptic(CocoPanopticSettings(path=str(coco.root))).passed_over()
    assert [part.record.split(" of ")[0] for part in tally.bad if "is no id" in part.reason] == ["image 0", "segment 0"]
