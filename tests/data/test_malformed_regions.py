"""Damaged boxes, points and masks: each is told with file, record and cure, and costs no more than it must."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.regions.regions import Regions, RegionsSettings

MISSING = object()


@pytest.fixture
def root(tmp_path):
    for name in ("photos/a.png", "photos/two/a.png", "photos/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Pillow.fromarray(np.full((6, 10, 3), 90, np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def refused(told):
    """Open the source and load all of it; something that is told must hold these words."""

    def check(settings, *words):
        said = told(lambda: Regions(RegionsSettings(**settings)))
        assert any(all(word in one for word in words) for one in said), said

    return check


def marks(root, kind, text, name="marks.csv", **more):
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"path": str(root / "photos"), kind: str(root / name), "shows": "fox", **more}


B = "image,x,y,width,height\n"
BOXES = {  # name: (text, words that the error must hold)
    "nothing": ("", "marks.csv"),
    "a head alone": (B, "marks.csv"),
    "empty rows": (B + "\n,,,,\n", "marks.csv"),
    "no head": ("b.png,1,1,2,2\nb.png,1,1,2,2\n", "row 1"),
    "no width": ("image,x,y,height\nb.png,1,1,2\n", "without width"),
    "no photo column": ("x,y,width,height\n1,1,2,2\n", "image"),
    "a column twice": ("image,x,x,y,width,height\nb.png,1,1,1,2,2\n", "different columns"),
    "a cell too few": (B + "b.png,1,1,2\n", "row 2"),
    "a cell too many": (B + "b.png,1,1,2,2,3\n", "row 2"),
    "an empty photo": (B + " ,1,1,2,2\n", "row 2"),
    "a word for a number": (B + "b.png,1,1,wide,2\n", "width in row 2"),
    "an empty number": (B + "b.png,,1,2,2\n", "x in row 2"),
    "not a number": (B + "b.png,nan,1,2,2\n", "x in row 2"),
    "infinity": (B + "b.png,1,1,inf,2\n", "width in row 2"),
    "no width at all": (B + "b.png,1,1,0,2\n", "area in row 2"),
    "a negative height": (B + "b.png,1,1,2,-3\n", "area in row 2"),
    "right of the photo": (B + "b.png,9,1,4,2\n", "row 2"),
    "above the photo": (B + "b.png,1,-3,4,5\n", "row 2"),
    "within the last pixel of slack": (B + "b.png,10.2,1,0.5,2\n", "row 2"),
    "an unknown photo": (B + "b.png,1,1,2,2\nc.png,1,1,2,2\n", "row 3"),
    "a photo of two folders": (B + "a.png,1,1,2,2\n", "row 2"),
    "a photo above the folder": (B + "../photos/b.png,1,1,2,2\n", "row 2"),
    "bytes that are no text": (b"image,x,y\xff\xfe", "marks.csv"),
    "an open quote": (B + '"b.png,1,1,2,2\n', "marks.csv"),
    "an empty class": ("image,x,y,width,height,class\nb.png,1,1,2,2,\n", "row 2"),
}


@pytest.mark.parametrize(("text", "word"), BOXES.values(), ids=BOXES)
def test_a_damaged_table_of_boxes(refused, root, text, word):
    refused(marks(root, "boxes", text, recursive=True), word)


P = "image,x,y,positive\n"
POINTS = {
    "nothing": ("", "marks.csv"),
    "no y": ("image,x\nb.png,1\n", "without y"),
    "outside on the right": ("image,x,y\nb.png,10,1\n", "10 x 6 pixels, in row 2"),
    "outside below": ("image,x,y\nb.png,1,6\n", "10 x 6 pixels, in row 2"),
    "outside above": ("image,x,y\nb.png,1,-0.5\n", "10 x 6 pixels, in row 2"),
    "beside it outside": (P + "b.png,1,1,1\nb.png,99,1,0\n", "(99, 1)"),
    "a word for a number": ("image,x,y\nb.png,left,1\n", "x in row 2"),
    "perhaps positive": (P + "b.png,1,1,maybe\n", "positive in row 2"),
    "positive left empty": (P + "b.png,1,1,\n", "positive in row 2"),
    "negative ones alone": (P + "b.png,1,1,0\n", "row 2"),
    "negative ones of another photo": (P + "b.png,1,1,1\ntwo/a.png,1,1,0\n", "row 3"),
    "an object of negative ones": (P.replace("e\n", "e,object\n") + "b.png,1,1,1,x\nb.png,2,2,0,y\n", "row 3"),
    "an object without a name": (P.replace("e\n", "e,object\n") + "b.png,1,1,1,\n", "row 2"),
    "an unknown photo": ("image,x,y\nz.png,1,1\n", "row 2"),
}


@pytest.mark.parametrize(("text", "word"), POINTS.values(), ids=POINTS)
def test_a_damaged_table_of_points(refused, root, text, word):
    refused(marks(root, "points", text, recursive=True), word)


def test_a_table_that_says_no_class_needs_one(refused, root):
    refused({**marks(root, "boxes", B + "b.png,1,1,2,2\n"), "shows": ""}, "marks.csv", "shows=CLASS")


DOCUMENT = {
    "images": [{"id": 1, "file_name": "b.png"}],
    "categories": [{"id": 1, "name": "fox"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}],
}
RECORDS = {
    "no box": ("annotations", "bbox", MISSING, "annotation 0"),
    "three numbers": ("annotations", "bbox", [1, 1, 2], "annotation 0"),
    "words": ("annotations", "bbox", ["1", 1, 2, 2], "annotation 0"),
    "not a number": ("annotations", "bbox", [float("nan"), 1, 2, 2], "annotation 0"),
    "truth for a number": ("annotations", "bbox", [True, 1, 2, 2], "annotation 0"),
    "no area": ("annotations", "bbox", [1, 1, 2, 0], "annotation 0"),
    "outside": ("annotations", "bbox", [1, 1, 20, 2], "annotation 0"),
    "an unknown image": ("annotations", "image_id", 9, "annotation 0"),
    "an unknown category": ("annotations", "category_id", 9, "annotation 0"),
    "a photo that is not among them": ("images", "file_name", "z.png", "annotation 0"),
    "a category without name": ("categories", "name", MISSING, "category 0"),
}


@pytest.mark.parametrize(("part", "key", "value", "word"), RECORDS.values(), ids=RECORDS)
def test_a_damaged_coco_json(refused, root, part, key, value, word):
    document = json.loads(json.dumps(DOCUMENT))
    if value is MISSING:
        del document[part][0][key]
    else:
        document[part][0][key] = value
    refused(marks(root, "boxes", json.dumps(document), "boxes.json"), word, "boxes.json")


@pytest.mark.parametrize(("width", "height", "word"), [(40, 24, "40 x 24"), (6, 10, "photo that was annotated")])
def test_a_coco_json_of_photos_of_another_size(refused, root, width, height, word):
    document = json.loads(json.dumps(DOCUMENT))
    document["images"][0] |= {"width": width, "height": height}
    where = "image 1 (b.png) of annotation 0 of"
    refused(marks(root, "boxes", json.dumps(document), "boxes.json"), where, "boxes.json", "10 x 6", word)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"images": 5}', json.dumps({**DOCUMENT, "annotations": []})])
def test_a_file_that_is_no_coco_json(refused, root, text):
    refused(marks(root, "boxes", text, "boxes.json"), "boxes.json")


def masks(root, **files):
    """Masks by name of the PNG: an array, or bytes."""
    (root / "masks").mkdir()
    for name, pixels in files.items():
        place = root / "masks" / f"{name}.png"
        place.write_bytes(pixels) if isinstance(pixels, bytes) else Pillow.fromarray(pixels).save(place)
    return {"path": str(root / "photos"), "masks": str(root / "masks"), "shows": "fox"}


ONE = np.ones((6, 10), np.uint8)
MASKS = {
    "0 everywhere": ({"a": ONE, "b": ONE * 0}, "b.png"),
    "another size": ({"a": ONE, "b": np.ones((5, 10), np.uint8)}, "b.png"),
    "turned": ({"a": ONE, "b": ONE.T.copy()}, "match photo and mask"),
    "transparent": ({"a": ONE, "b": np.ones((6, 10, 4), np.uint8)}, "b.png"),
    "16 bits": ({"a": ONE, "b": np.ones((6, 10), np.uint16)}, "b.png"),
    "cut off": ({"a": ONE, "b": b"\x89PNG\r\n\x1a\n123"}, "b.png"),
    "text": ({"a": ONE, "b": b"mask"}, "b.png"),
    "an empty file": ({"a": ONE, "b": b""}, "b.png"),
    "no mask for a photo": ({"a": ONE}, "b.png"),
    "no photo for a mask": ({"a": ONE, "b": ONE, "c": ONE}, "c.png"),
    "two for one photo": ({"a": ONE, "b": ONE, "b_mask": ONE}, "b_mask.png"),
    "no mask at all": ({}, "masks"),
}


@pytest.mark.parametrize(("files", "word"), MASKS.values(), ids=MASKS)
def test_a_damaged_mask(refused, root, files, word):
    refused(masks(root, **files), word, "masks")


def test_masks_that_fit_no_photo_by_name(refused, root):
    given = masks(root, a=ONE, b=ONE)
    refused({**given, "masks": str(root / "gone")}, "gone")
    refused({**given, "masks": str(root / "masks" / "a.png")}, "one photo for the mask")
    refused({**given, "recursive": True}, "2 named a")


@pytest.mark.parametrize("kind", ["boxes", "points"])
def test_a_table_that_is_not_there_and_photos_that_are_not(refused, root, kind):
    refused({"path": str(root / "photos"), kind: str(root / "gone.csv"), "shows": "fox"}, "gone.csv")
    (root / "empty").mkdir()
    refused({"path": str(root / "empty"), kind: str(root / "gone.csv"), "shows": "fox"}, "at least one photo", "empty")
    refused({"path": str(root / "nowhere"), kind: str(root / "gone.csv"), "shows": "fox"}, "nowhere")
