"""Damaged label maps: a class list, a map or a pair that cannot be used is refused with its file named."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.label_maps.label_map_source import LabelMapSettings
from retclip.data.readers.label_maps.label_maps import LabelMaps
from retclip.errors import DataError


@pytest.fixture
def refused(told, street):
    """Open the set and load all of it; something that is told must hold these words."""

    def check(*named):
        said = told(lambda: LabelMaps(LabelMapSettings(path=str(street.root))))
        assert any(all(word in one for word in named) for one in said), said

    return check


SKY = {"id": 0, "name": "Sky"}
LISTS = {
    "no classes key": {"void_id": 9},
    "classes of null": {"classes": None},
    "classes of a number": {"classes": 3},
    "classes of words": {"classes": "Sky, Car"},
    "classes in an object": {"classes": {"Sky": 0}},
    "no class": {"classes": []},
    "only the void": {"classes": [{"id": 9, "name": "Void"}], "void_id": 9},
    "a class of words": {"classes": ["Sky"]},
    "a class of null": {"classes": [None]},
    "a class without id": {"classes": [SKY, {"name": "Car"}]},
    "a class without name": {"classes": [SKY, {"id": 1}]},
    "a name of null": {"classes": [SKY, {"id": 1, "name": None}]},
    "a name of a number": {"classes": [SKY, {"id": 1, "name": 1}]},
    "an empty name": {"classes": [SKY, {"id": 1, "name": ""}]},
    "an id in words": {"classes": [{"id": "one", "name": "Car"}]},
    "an id of a part": {"classes": [SKY, {"id": 1.5, "name": "Car"}]},
    "a void of a part": {"classes": [SKY], "void_id": 9.5},
    "an infinite id": {"classes": [{"id": float("inf"), "name": "Car"}]},
    "an id above a byte": {"classes": [SKY, {"id": 256, "name": "Car"}]},
    "a negative id": {"classes": [SKY, {"id": -1, "name": "Car"}]},
    "an id twice": {"classes": [SKY, {"id": 0, "name": "Car"}]},
    "a name twice": {"classes": [SKY, {"id": 1, "name": "Sky"}]},
    "a void in words": {"classes": [SKY], "void_id": "nine"},
    "an infinite void": {"classes": [SKY], "void_id": float("inf")},
    "prompt names of a number": {"classes": [{**SKY, "prompt_names": 3}]},
    "a number": 7,
    "null": None,
}


@pytest.mark.parametrize("document", LISTS.values(), ids=LISTS)
def test_a_damaged_class_list(street, refused, document):
    street.raw("null") if document is None else street.save(document)
    refused(str(street.file))


@pytest.mark.parametrize(
    "text",
    ["", "Sky", '{"classes": [', b'[{"id": 0, "name": "\xff"}]', "[" * 100_000, '[{"id": ' + "9" * 5000 + "}]"],
    ids=["empty", "words", "cut", "not utf-8", "deeply nested", "a number of 5000 digits"],
)
def test_a_class_list_that_is_no_json(street, refused, text):
    street.raw(text)
    refused(str(street.file))


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"Sky\nSky\n", b"\xff\xfe", "\n".join(map(str, range(257)))])
def test_a_damaged_list_of_names(street, refused, content):
    street.file.unlink()
    if content is not None:
        (street.root / "classes.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(str(street.root / "classes.txt"))


@pytest.mark.parametrize("part", ["images", "labels"])
def test_a_missing_folder(street, refused, part):
    (street.root / part).rename(street.root / "elsewhere")
    refused(str(street.root / part), "missing")


def test_a_photo_without_a_map_and_a_folder_without_photos(street, refused):
    (street.root / "labels" / "b.png").rename(street.root / "labels" / "b.jpg")  # a map is a PNG
    refused("b.png", str(street.root / "labels"))
    for path in (street.root / "images").iterdir():
        path.unlink()
    refused("no photo", str(street.root / "images"))


def test_a_map_without_a_photo_is_passed_over(street):
    street.png("labels/c.png", np.zeros((4, 6), np.uint8))
    assert len(LabelMaps(LabelMapSettings(path=str(street.root)))) == 2


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((6, 4), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((4, 6, 3), np.uint8),
        np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6), np.uint16), np.full((4, 6), 5, np.uint8),
        np.full((4, 6), 255, np.uint8),
    ],
    ids=["turned", "another size", "colours", "colours and alpha", "16 bits", "an unlisted id", "an unlisted 255"],
)  # fmt: skip
def test_a_damaged_map(street, refused, pixels):
    street.png("labels/a.png", pixels)
    refused(str(street.root / "labels" / "a.png"))


@pytest.mark.parametrize("damage", ["empty", "cut", "a jpeg", "a folder", "a changed byte"])
def test_a_map_that_cannot_be_read(street, refused, damage):
    path = street.root / "labels" / "a.png"
    whole = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage == "a jpeg":
        Pillow.new("L", (6, 4)).save(path, format="JPEG")
    else:
        at = whole.index(b"IDAT") + 8
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        path.write_bytes({"empty": b"", "cut": whole[:50], "a changed byte": flipped}[damage])
    refused(str(path))
    record, sound = LabelMaps(LabelMapSettings(path=str(street.root))).images()
    assert record.class_names is None  # listing goes on, so that `load` can tell the reason
    assert record.annotation_digest != sound.annotation_digest


def test_a_photo_that_cannot_be_read(street, refused):
    (street.root / "images" / "a.png").write_bytes(b"no photo")
    refused(str(street.root / "images" / "a.png"))


@pytest.mark.parametrize("options", [{"exclude": "Dog"}, {"only": ("Sky", "Dog")}])
def test_a_choice_of_a_class_that_is_not_there(street, options):
    with pytest.raises(DataError, match=r"'Dog'.*Sky, Car"):
        LabelMaps(LabelMapSettings(path=str(street.root), **options))
