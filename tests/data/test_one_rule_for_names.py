"""Every reader of class names follows the one rule of `retclip.names`: each is given the same names."""

import csv
import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.class_list import read_vocabulary
from retclip.data.readers.ade20k.ade20k import AdeChallenge
from retclip.data.readers.ade20k.ade20k_full import AdeFull
from retclip.data.readers.coco.coco_instances import CocoInstances
from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings
from retclip.data.readers.label_maps.label_maps import LabelMaps
from retclip.data.readers.label_maps.map_pairs import MapSettings
from retclip.data.readers.open_images.open_images import OpenImages, OpenImagesSettings
from retclip.data.readers.regions.regions import Regions, RegionsSettings
from retclip.data.readers.text.class_folders import ClassFolders
from retclip.data.readers.text.image_text import ImageText, ImageTextSettings
from retclip.data.readers.text.label_table import LabelTable, LabelTableSettings
from retclip.errors import DataError


def save(file, pixels):
    file.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.asarray(pixels, np.uint8)).save(file)


def table(*rows, tabs=False):
    text = io.StringIO()
    csv.writer(text, delimiter="\t" if tabs else ",").writerows(rows)
    return text.getvalue()


def coco_panoptic(root, *names):
    categories = [{"id": n, "name": name, "isthing": 1} for n, name in enumerate(names, 1)]
    document = {"images": [], "annotations": [], "categories": categories}
    (root / "panoptic.json").write_text(json.dumps(document))
    return CocoPanoptic(CocoPanopticSettings(path=str(root)))


def coco_instances(root, *names):
    categories = [{"id": n, "name": name} for n, name in enumerate(names, 1)]
    (root / "instances.json").write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    return CocoInstances(CocoPanopticSettings(path=str(root)))


def label_maps(root, *names):
    save(root / "images" / "a.png", np.zeros((4, 6, 3)))
    save(root / "labels" / "a.png", np.zeros((4, 6)))
    (root / "classes.json").write_text(json.dumps([{"id": n, "name": name} for n, name in enumerate(names)]))
    return LabelMaps(LabelMapSettings(path=str(root)))


def label_maps_of_a_text_file(root, *names):
    label_maps(root, "other")
    (root / "classes.json").unlink()
    (root / "classes.txt").write_text("\n".join(names))
    return LabelMaps(LabelMapSettings(path=str(root)))


def class_folders(root, *names):
    for name in names:
        save(root / name / "a.png", np.zeros((4, 6, 3)))
    return ClassFolders(AnnotatedSettings(path=str(root)))


def label_table(root, *names):
    save(root / "a.png", np.zeros((4, 6, 3)))
    (root / "labels.csv").write_text(table(("file", "label"), *(("a.png", name) for name in names)))
    return LabelTable(LabelTableSettings(path=str(root)))


def open_images(root, *names):
    save(root / "train" / "a.jpg", np.zeros((4, 6, 3)))
    described = [(f"/m/{n}", name) for n, name in enumerate(names)]
    (root / "class-descriptions.csv").write_text(table(("LabelName", "DisplayName"), *described))
    rows = [("a", f"/m/{n}", 1) for n, _ in enumerate(names)]
    labels = table(("ImageID", "LabelName", "Confidence"), *rows)
    (root / "train-annotations-human-imagelabels.csv").write_text(labels)
    return OpenImages(OpenImagesSettings(path=str(root)))


def ade20k(root, *names):
    save(root / "images/training/a.jpg", np.zeros((4, 6, 3)))
    save(root / "annotations/training/a.png", np.zeros((4, 6)))
    rows = [(n, name) for n, name in enumerate(names, 1)]
    (root / "objectInfo150.txt").write_text(table(("Idx", "Name"), *rows, tabs=True))
    return AdeChallenge(LabelMapSettings(path=str(root)))


def ade20k_full(root, *names):
    save(root / "images/ADE/training/a.jpg", np.zeros((4, 6, 3)))
    save(root / "images/ADE/training/a_seg.png", np.zeros((4, 6, 3)))
    (root / "index_ade20k.pkl").write_bytes(pickle.dumps({"objectnames": list(names)}))
    return AdeFull(MapSettings(path=str(root)))


def regions(root, *names):
    save(root / "photos" / "a.png", np.zeros((4, 6, 3)))
    rows = [("a.png", 0, 0, 2, 2, name) for name in names]
    (root / "boxes.csv").write_text(table(("image", "x", "y", "width", "height", "class"), *rows))
    return Regions(RegionsSettings(path=(str(root / "photos"),), boxes=str(root / "boxes.csv")))


def image_text(root, *names):
    (root / "pairs.csv").write_text(table(("image", "caption"), ("a.png", "nothing")))
    (root / "names.json").write_text(json.dumps(list(names)))
    return ImageText(ImageTextSettings(path=str(root / "pairs.csv"), vocabulary=str(root / "names.json")))


class ClassList:
    """A file of `--classes`, asked like a source."""

    def __init__(self, root, *names):
        (root / "names.json").write_text(json.dumps([{"name": one} for one in names]))
        self.found = read_vocabulary(str(root / "names.json"))

    def classes(self):
        from retclip.plugin.contracts import SourceClass

        return [SourceClass(name) for name in self.found.names]


ONE_CLASS = (
    label_table,
    open_images,
    regions,
)  # where two spellings become one class: their rows name photos, not classes
REFUSE = (
    coco_panoptic,
    coco_instances,
    label_maps,
    label_maps_of_a_text_file,
    class_folders,
    ade20k,
    image_text,
    ClassList,
)
READERS = (*ONE_CLASS, *REFUSE, ade20k_full)
IN_LINES = (
    label_maps_of_a_text_file,
    class_folders,
    label_table,
    open_images,
    ade20k,
    regions,
)  # no place for NUL, ...


@pytest.mark.parametrize("name", ["می\u200cدان", "क\u094d\u200dष", "👩🏽\u200d🚀", "caf\u00e9", "n" * 200])
@pytest.mark.parametrize("reader", READERS)
def test_a_name_is_kept_with_what_writes_it(tmp_path, reader, name):
    if len(name.encode()) < 256 or reader is not class_folders:
        assert name in [one.name for one in reader(tmp_path, name, "other").classes()]


@pytest.mark.parametrize("reader", READERS)
def test_what_writes_nothing_is_left_out(tmp_path, reader):
    names = [one.name for one in reader(tmp_path, " traf\u200bfic \u3000light\u202e", "cafe\u0301").classes()]
    assert sorted(names) == ["café", "traffic light"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["n" * 5000, "\x1b[31mred", "\u200b", "a\0b", "\ud800x"], ids=ascii)
def test_a_name_that_cannot_be_is_refused_with_its_place(tmp_path, reader, name):
    if reader in IN_LINES and ("\0" in name or "\ud800" in name):
        pytest.skip("such a file is refused before its names are looked at")
    if reader is class_folders and len(name) > 255:
        pytest.skip("no folder has such a name")
    if reader in (label_table, regions):  # a row costs that row
        (part,) = reader(tmp_path, name, "other").passed_over().bad
        assert "row 2" in part.record and str(tmp_path) in part.reason and part.reason.encode()
        return
    with pytest.raises(DataError) as caught:
        reader(tmp_path, name, "other")
    assert str(tmp_path) in caught.value.expected or "index_ade20k.pkl" in caught.value.expected
    str(caught.value).encode()


@pytest.mark.parametrize(
    "pair", [("fish", "Fish"), ("traffic light", "Traffic  Light"), ("ＴＶ", "tv"), ("café", "cafe\u0301")]
)
@pytest.mark.parametrize("reader", READERS)
def test_two_spellings_are_one_class_or_refused(tmp_path, reader, pair):
    if reader in REFUSE:
        with pytest.raises(DataError):
            reader(tmp_path, *pair)
    elif reader in ONE_CLASS:
        assert [one.name for one in reader(tmp_path, *pair).classes()] == [pair[0]]
    else:  # its index has names that differ in synonyms alone, so the second is told apart by its number
        assert next(one.name for one in reader(tmp_path, *pair).classes()) == pair[0]
