"""COCO instances and LVIS: overlapping objects painted into one annotation, held to pycocotools on real photos."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.coco.coco_instances import CocoInstances
from retclip.data.readers.coco.coco_panoptic import CocoPanopticSettings
from retclip.data.rle import encode

SHARED = Path(__file__).parents[5] / "shared" / "data" / "coco_panoptic"


def box(x0, y0, x1, y1):
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def written(root, document, photos=("a.png", "b.png"), name="instances.json", split=""):
    (root / "images").mkdir(exist_ok=True)
    for photo in photos:
        Pillow.fromarray(np.zeros((20, 30, 3), np.uint8)).save(root / "images" / photo)
    (root / name).write_text(json.dumps(document))
    return CocoInstances(CocoPanopticSettings(path=str(root), split=split))


@pytest.fixture
def document():
    crowd = np.zeros((20, 30), bool)
    crowd[10:, :] = True
    return {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "person", "isthing": 1}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 5, "segmentation": box(4, 4, 8, 8), "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 9, "segmentation": box(0, 0, 20, 15)},
            {"id": 3, "image_id": 1, "category_id": 9, "segmentation": encode(crowd), "iscrowd": 1},
        ],
    }


def test_small_objects_lie_on_large_ones_and_these_on_crowds(tmp_path, document):
    source = written(tmp_path, document)
    assert [one.name for one in source.classes()] == ["cat", "person"] and len(source) == 2
    first, second = source.images()
    truth = first.load().truth
    assert first.class_names == ("cat", "person")
    assert [(one.id, one.class_name, one.is_crowd) for one in truth.segments] == [
        (1, "cat", False), (2, "person", False), (3, "person", True),
    ]  # fmt: skip
    assert truth.label_map[5, 5] == 1 and truth.label_map[2, 2] == 2 and truth.label_map[18, 25] == 3
    assert truth.label_map[2, 25] == 0
    assert [one.area for one in truth.segments] == np.bincount(truth.label_map.ravel())[1:].tolist()
    assert second.class_names == () and second.load().truth.segments == ()  # nothing is annotated there


def test_a_change_of_an_object_or_of_the_kept_classes_changes_the_digest(tmp_path, document):
    before = next(written(tmp_path, document).images()).annotation_digest
    document["annotations"][0]["segmentation"] = box(4, 4, 9, 8)
    source = written(tmp_path, document)
    after = next(source.images()).annotation_digest
    without = CocoInstances(CocoPanopticSettings(path=str(tmp_path), exclude=("cat",)))
    assert len({before, after, next(without.images()).annotation_digest}) == 3
    assert [one.class_name for one in next(without.images()).load().truth.segments] == ["person", "person"]


def test_lvis_names_its_photos_by_url_and_its_classes_with_synonyms(tmp_path, document):
    url = "http://images.cocodataset.org/val2017/a.png"
    document["images"] = [{"id": 1, "coco_url": url}]
    document["categories"] = [{"id": 5, "name": "cat", "synonyms": ["cat", "tabby"]}, {"id": 9, "name": "person"}]
    (tmp_path / "annotations").mkdir()
    source = written(tmp_path, document, name="annotations/lvis_v1_val.json", split="val")
    assert source.classes()[0].synonyms == ("tabby",) and source.classes()[0].native_id == 5
    (record,) = source.images()
    assert record.external_id == "val2017/a.png" and record.uri == str(tmp_path / "images" / "a.png")
    assert len(record.load().truth.segments) == 3
    (tmp_path / "images" / "val2017").mkdir()
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "val2017" / "a.png")
    again = CocoInstances(CocoPanopticSettings(path=str(tmp_path), split="val", images=str(tmp_path / "images")))
    assert next(again.images()).uri == str(tmp_path / "images" / "val2017" / "a.png")


def test_lvis_writes_underscores_for_spaces_and_others_mean_them(tmp_path, document):
    clock = {"id": 5, "name": "alarm_clock", "synonyms": ["alarm_clock", "bow_(decorative_ribbons)"]}
    document["categories"][0] = clock
    (plain, _) = written(tmp_path, document).classes()
    assert (plain.name, plain.synonyms) == ("alarm_clock", ("bow_(decorative_ribbons)",))
    document["categories"][0] = {**clock, "synset": "alarm_clock.n.01", "frequency": "f"}
    (one, _) = written(tmp_path, document).classes()
    assert (one.name, one.synonyms) == ("alarm clock", ("bow (decorative ribbons)",))
    assert next(written(tmp_path, document).images()).class_names == ("alarm clock", "person")


def test_synonyms_may_be_a_text_with_commas(tmp_path, document):
    document["categories"][0]["synonyms"] = "tabby, kitten,cat,"
    assert written(tmp_path, document).classes()[0].synonyms == ("tabby", "kitten")


@pytest.mark.filterwarnings("ignore:__array__")  # pycocotools and numpy 2
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/coco_panoptic")
def test_masks_of_real_photos_agree_with_pycocotools():
    from pycocotools.coco import COCO

    file = SHARED / "instances_val.json"
    reference = COCO(str(file))
    source = CocoInstances(CocoPanopticSettings(path=str(SHARED), split="val"))
    checked = 0
    for record, (key, numbers) in zip(source.images(), source._objects.items(), strict=False):
        truth = record.load().truth if reference.loadImgs([key])[0]["file_name"] == record.external_id else None
        if truth is None:
            continue
        objects = [source._records[number] for number in numbers]
        for number, one in enumerate(objects, start=1):
            mask = reference.annToMask(one).astype(bool)
            mine = truth.label_map == number
            assert not (mine & ~mask).any()  # nothing outside its mask, and all that no other object covers
            others = np.logical_or.reduce([reference.annToMask(o).astype(bool) for o in objects if o is not one]
                                          or [np.zeros_like(mask)])  # fmt: skip
            assert (mine | ~mask | others).all()
            checked += 1
    assert checked > 100


def test_the_annotation_keeps_whole_masks_with_their_areas_beside_the_map(tmp_path, document):
    document["annotations"][1] |= {"area": 290.5}
    document["annotations"][0] |= {"area": "large"}
    document["annotations"].append({"id": 4, "image_id": 1, "category_id": 5, "segmentation": box(5, 5, 7, 7)})
    document["annotations"].append({"id": 5, "image_id": 1, "category_id": 5, "segmentation": box(5, 5, 7, 7)})
    truth = next(written(tmp_path, document).images()).load().truth
    whole = truth.objects.objects
    assert [(one.class_name, one.is_crowd, one.area) for one in whole] == [
        ("cat", False, 16.0), ("person", False, 290.5), ("person", True, 300.0), ("cat", False, 4.0),
        ("cat", False, 4.0),
    ]  # fmt: skip
    assert whole[1].mask().sum() == 300 and next(one.area for one in truth.segments if one.id == 2) < 300
    assert [one.id for one in truth.segments] == [1, 2, 3, 5], "the fourth is hidden by the fifth, and still annotated"
    assert truth.objects.absent is None
    kept = CocoInstances(CocoPanopticSettings(path=str(tmp_path), only=("cat",)))
    assert [one.class_name for one in next(kept.images()).load().truth.objects.objects] == ["cat"] * 3


def test_lvis_says_which_classes_were_looked_for(tmp_path, document):
    document["categories"] += [{"id": 11, "name": "alarm_clock", "frequency": "r"}, {"id": 12, "name": "kite"}]
    document["images"][0] |= {"neg_category_ids": [11], "not_exhaustive_category_ids": [5]}
    first, second = (one.load().truth.objects for one in written(tmp_path, document).images())
    assert (first.absent, first.incomplete, first.uncounted) == ({"alarm clock"}, {"cat"}, "")
    assert "does not say which classes were looked for" in second.uncounted


def test_a_list_makes_a_category_stuff_of_one_segment(tmp_path, document):
    document["annotations"][2] = {"id": 3, "image_id": 1, "category_id": 9, "segmentation": box(22, 0, 26, 4)}
    (tmp_path / "kinds.txt").write_text("person | stuff\n")
    written(tmp_path, document)
    source = CocoInstances(CocoPanopticSettings(path=str(tmp_path), isthing=str(tmp_path / "kinds.txt")))
    assert [one.is_thing for one in source.classes()] == [True, False]
    segments = next(source.images()).load().truth.segments
    assert [(one.class_name, one.is_thing) for one in segments] == [("cat", True), ("person", False)]
