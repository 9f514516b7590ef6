"""Open Images: labels of whole photos, boxes, masks and the hierarchy; and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.open_images import open_images
from retclip.data.readers.open_images.open_images import OpenImages, OpenImagesSettings
from retclip.errors import DataError

NAMES = "LabelName,DisplayName\n/m/fox,Fox\n/m/owl,Owl\n/m/animal,Animal\n/m/car,Car\n"
LABELS = """ImageID,Source,LabelName,Confidence
a,verification,/m/fox,1
a,verification,/m/car,0
b,x,/m/owl,0.9
z,x,/m/car,1
"""
BOXES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\nb,x,/m/car,1,0,1,0,1\n"
MASKS = "MaskPath,ImageID,LabelName,BoxID\na_fox_1.png,a,/m/fox,1\na_car_2.png,a,/m/car,2\n"
TREE = {"LabelName": "/m/entity", "Subcategory": [{"LabelName": "/m/animal", "Subcategory": [{"LabelName": "/m/fox"}]}]}
FILES = {
    "names": "oidv7-class-descriptions.csv",
    "labels": "oidv7-val-annotations-human-imagelabels.csv",
    "boxes": "val-annotations-bbox.csv",
    "masks": "val-annotations-object-segmentation.csv",
    "tree": "bbox_labels_600_hierarchy.json",
}


@pytest.fixture
def world(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "annotations").mkdir()
    for name in "ab":
        Pillow.fromarray(np.zeros((8, 12, 3), np.uint8)).save(tmp_path / "val" / f"{name}.jpg")
    for name, columns in (("a_fox_1", slice(0, 4)), ("a_car_2", slice(2, 6))):
        mask = np.zeros((4, 6), np.uint8)  # half the photo's size
        mask[:, columns] = 255
        mask[:2, columns.stop - 2 :] = 0
        Pillow.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    texts = {"names": NAMES, "labels": LABELS, "boxes": BOXES, "masks": MASKS, "tree": json.dumps(TREE)}
    for key, text in texts.items():
        (tmp_path / ("annotations" if key == "boxes" else "") / FILES[key]).write_text(text)
    return tmp_path


def opened(root, **settings):
    return OpenImages(OpenImagesSettings(path=str(root), split="val", **settings))


def shown(source):
    return {one.external_id: one.class_names for one in source.images()}


def test_labels_say_what_is_there_and_a_confidence_of_0_that_it_is_not(world):
    source = opened(world)
    assert shown(source) == {"a": ("Fox",), "b": ("Owl",)} and len(source) == 2
    assert [(one.name, one.is_thing) for one in source.classes()] == [("Fox", None), ("Owl", None)]
    assert next(source.images()).load().truth is None


def test_boxes_and_the_hierarchy_name_classes(world):
    assert shown(opened(world, kind="boxes")) == {"a": (), "b": ("Car",)}
    assert shown(opened(world, ancestors=True)) == {"a": ("Fox", "Animal"), "b": ("Owl",)}  # "entity" has no name


def test_masks_of_smaller_copies_are_brought_to_the_photo_s_size(world):
    source = opened(world, kind="masks")
    assert shown(source) == {"a": ("Fox", "Car"), "b": ()}
    first, second = (one.load().truth for one in source.images())
    assert [(one.class_name, one.area) for one in first.segments] == [("Fox", 32), ("Car", 48)]
    assert first.label_map.shape == (8, 12) and first.label_map[6].tolist() == [1] * 4 + [2] * 8
    assert second.segments == () and all(one.is_thing for one in source.classes())
    only = opened(world, kind="masks", only="Fox")
    assert [one.class_name for one in next(only.images()).load().truth.segments] == ["Fox"]


def test_a_full_table_goes_before_that_of_the_classes_with_boxes(world):
    for key in ("names", "labels"):
        full = world / FILES[key]
        boxable = full.with_name(f"{full.stem}-boxable.csv")
        boxable.write_text("".join(line for line in full.open() if "owl" not in line))
    (world / "._oidv7-class-descriptions.csv").write_bytes(b"\0")  # as macOS leaves them
    assert shown(opened(world)) == {"a": ("Fox",), "b": ("Owl",)}
    for key in ("names", "labels"):
        (world / FILES[key]).unlink()
    assert shown(opened(world)) == {"a": ("Fox",), "b": ()}


def test_a_walk_neither_goes_through_all_classes_for_every_photo_nor_remembers_it(world, monkeypatch):
    passes = []

    class Counted(tuple):
        def __iter__(self):
            passes.append(1)
            return super().__iter__()

    chosen = open_images.chosen
    monkeypatch.setattr(open_images, "chosen", lambda known, settings: Counted(chosen(known, settings)))
    source = opened(world, kind="masks")
    passes.clear()
    assert shown(source) == {"a": ("Fox", "Car"), "b": ()} and passes == []
    assert list(source._masks) == ["a"]


def test_a_list_chooses_photos_and_one_that_is_missing_is_told_when_it_is_read(world):
    (world / "mine.txt").write_text("val/b\ntrain/a\n c \n")
    source = opened(world, list=str(world / "mine.txt"))
    assert list(shown(source)) == ["b", "c"]
    first, missing = source.images()
    first.load()
    with pytest.raises(DataError, match=r"c\.jpg"):
        missing.load()


@pytest.mark.parametrize("kind", ["labels", "masks"])
@pytest.mark.parametrize("named", ["a.jpg", "A", "val/a"])
def test_a_table_of_other_photos_alone_is_told(world, told, kind, named):
    content = {
        "labels": "ImageID,LabelName,Confidence\n{},/m/fox,1\n",
        "masks": "ImageID,LabelName,MaskPath\n{},/m/fox,b\n",
    }
    (world / FILES[kind]).write_text(content[kind].format(named))
    (said,) = told(lambda: opened(world, kind=kind))
    assert FILES[kind] in said and "none of 2 photos, first a" in said


def test_tables_of_a_spreadsheet_are_read_whatever_parts_their_cells(world):
    for key, said in (("names", "sep=;\n"), ("masks", ""), ("labels", "")):
        content = {"names": NAMES, "masks": MASKS, "labels": LABELS}[key]
        (world / FILES[key]).write_text(said + content.replace(",", ";"))
    assert shown(opened(world, kind="masks")) == {"a": ("Fox", "Car"), "b": ()}
    assert shown(opened(world)) == {"a": ("Fox",), "b": ("Owl",)}


def test_old_descriptions_have_no_head_and_a_circle_of_classes_ends(world):
    (world / FILES["names"]).write_text(NAMES.partition("\n")[2])
    (world / FILES["tree"]).write_text(
        json.dumps(
            {
                "LabelName": "/m/fox",
                "Subcategory": [{"LabelName": "/m/animal", "Subcategory": [{"LabelName": "/m/fox"}]}],
            }
        )
    )
    assert shown(opened(world, ancestors=True))["a"] == ("Fox", "Animal")


def text(key, content):
    def write(root):
        (root / FILES[key]).write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def row(line):
    return text("labels", f"ImageID,Source,LabelName,Confidence\na,x,/m/fox,1\n{line}\n")


def mask_row(line):
    return text("masks", f"MaskPath,ImageID,LabelName\n{line}\n")


DAMAGE = {  # name: (settings, what is done, words that the error must hold)
    "no descriptions": ({}, lambda root: (root / FILES["names"]).unlink(), "class-descriptions"),
    "empty descriptions": ({}, text("names", ""), FILES["names"]),
    "descriptions of one column": ({}, text("names", "/m/fox\n"), "row 1"),
    "a class without a name": ({}, text("names", "/m/fox,\n"), "row 1"),
    "a class with two names": ({}, text("names", "/m/fox,Fox\n/m/fox,Vixen\n"), "row 2"),
    "descriptions that are not utf-8": ({}, text("names", b"/m/fox,\xff\xfe\n"), FILES["names"]),
    "no labels": ({}, lambda root: (root / FILES["labels"]).unlink(), "imagelabels"),
    "empty labels": ({}, text("labels", ""), FILES["labels"]),
    "labels without ImageID": ({}, text("labels", "Image,LabelName,Confidence\n"), "ImageID"),
    "labels without LabelName": ({}, text("labels", "ImageID,Label,Confidence\n"), "LabelName"),
    "labels without Confidence": ({}, text("labels", "ImageID,LabelName\n"), "Confidence"),
    "a short row": ({}, row("a,x"), "row 3"),
    "a confidence in words": ({}, row("a,x,/m/fox,yes"), "row 3"),
    "a confidence that is no number": ({}, row("a,x,/m/fox,nan"), "row 3"),
    "a class without description": ({}, row("a,x,/m/wolf,1"), "row 3"),
    "an open quote": ({}, row('a,x,"/m/fox,1'), FILES["labels"]),
    "no boxes": ({"kind": "boxes"}, lambda root: (root / "annotations").rename(root / "x"), "bbox"),
    "no masks' table": ({"kind": "masks"}, lambda root: (root / FILES["masks"]).unlink(), "object-segmentation"),
    "masks' table without MaskPath": ({"kind": "masks"}, text("masks", "ImageID,LabelName\n"), "MaskPath"),
    "a mask above the folder": ({"kind": "masks"}, mask_row("../a.png,a,/m/fox"), "row 2"),
    "a mask without name": ({"kind": "masks"}, mask_row(",a,/m/fox"), "row 2"),
    "a mask that is not there": ({"kind": "masks"}, mask_row("c.png,a,/m/fox"), "c.png"),
    "a mask of words": ({"kind": "masks"}, lambda root: (root / "masks/a_fox_1.png").write_text("x"), "a_fox_1"),
    "a mask of an unknown class": ({"kind": "masks"}, mask_row("a_fox_1.png,a,/m/wolf"), "row 2"),
    "ancestors of masks": ({"kind": "masks", "ancestors": True, "only": "Animal"}, lambda root: None, "kind=masks"),
    "two descriptions": ({}, lambda root: (root / "annotations/class-descriptions.csv").touch(), "one file of"),
    "no hierarchy": ({"ancestors": True}, lambda root: (root / FILES["tree"]).unlink(), "hierarchy"),
    "a hierarchy of words": ({"ancestors": True}, text("tree", "hello"), FILES["tree"]),
    "a hierarchy of a list": ({"ancestors": True}, text("tree", "[]"), FILES["tree"]),
    "a node without LabelName": ({"ancestors": True}, text("tree", "{}"), FILES["tree"]),
    "a LabelName of a number": ({"ancestors": True}, text("tree", '{"LabelName": 5}'), FILES["tree"]),
    "a deep hierarchy": ({"ancestors": True}, text("tree", '{"Subcategory":[' * 100_000), FILES["tree"]),
    "no photos' folder": ({}, lambda root: (root / "val").rename(root / "x"), "photos"),
    "no photo": ({}, lambda root: [one.unlink() for one in (root / "val").iterdir()], "none"),
    "no list": ({"list": "nowhere.txt"}, lambda root: None, "nowhere.txt"),
    "a damaged photo": ({}, lambda root: (root / "val/a.jpg").write_bytes(b"x"), "a.jpg"),
}


@pytest.mark.parametrize(("settings", "damage", "word"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_told_with_its_file(world, told, settings, damage, word):
    damage(world)
    said = told(lambda: opened(world, **settings))
    assert any(word in one for one in said), said


def test_a_bad_row_costs_that_row(world):
    rows = ["a,x,/m/fox,1", "a,x", "a,x,/m/wolf,1", "a,x,/m/car,yes", 'a,x,"/m/owl,1', "b,x,/m/owl,1", "z,x"]
    (world / FILES["labels"]).write_text("\n".join(["ImageID,Source,LabelName,Confidence", *rows]))
    source = opened(world)
    assert shown(source) == {"a": ("Fox",), "b": ("Owl",)}
    bad = [part.record.partition(" of ")[0] for part in source.passed_over().bad]
    assert sorted(bad) == [f"row {number}" for number in (3, 4, 5, 6, 8)]


def test_a_bad_mask_costs_that_object(world):
    (world / "masks" / "a_fox_1.png").write_text("x")
    source = opened(world, kind="masks")
    image = next(source.images()).load()
    assert [one.class_name for one in image.truth.segments] == ["Car"]
    assert [part.record for part in image.passed_over.bad] == ["a_fox_1.png"]


@pytest.mark.parametrize(("shape", "right"), [((4, 6), True), ((16, 24), True), ((5, 8), True), ((8, 12), True),
                                              ((80, 80), False), ((60, 40), False)])  # fmt: skip
def test_a_mask_of_another_shape_than_its_photo_is_not_stretched(world, shape, right):
    Pillow.fromarray(np.full(shape, 255, np.uint8)).save(world / "masks" / "a_fox_1.png")
    (world / "masks" / "a_car_2.png").unlink()
    image = next(opened(world, kind="masks").images()).load()
    assert ([one.area for one in image.truth.segments] == [96]) is right
    reasons = [part.reason for part in image.passed_over.bad if part.record == "a_fox_1.png"]
    assert (not reasons) is right and all("12 x 8 pixels" in one for one in reasons)


def test_two_photos_of_one_id_are_told_and_other_files_counted(world):
    Pillow.fromarray(np.zeros((8, 12, 3), np.uint8)).save(world / "val" / "a.bmp")
    (world / "val" / "c.heic").touch()
    source = opened(world)
    assert next(source.images()).uri.endswith("a.jpg") and len(source) == 2
    assert source.passed_over().counts == {"files that are not read (.heic)": 1, "records that cannot be read": 1}


def test_a_list_of_another_split_is_refused(world):
    (world / "mine.txt").write_text("train/a\n")
    with pytest.raises(DataError, match="split 'val'"):
        opened(world, list=str(world / "mine.txt"))


def test_masks_are_of_things_unless_a_list_says_otherwise(world):
    assert [one.is_thing for one in opened(world, kind="masks").classes()] == [True, True]
    (world / "kinds.txt").write_text("fox | stuff\n")
    source = opened(world, kind="masks", isthing=str(world / "kinds.txt"))
    assert {one.name: one.is_thing for one in source.classes()} == {"Fox": False, "Car": True}
    kinds = {one.class_name: one.is_thing for one in next(source.images()).load().truth.segments}
    assert kinds == {"Fox": False, "Car": True}
