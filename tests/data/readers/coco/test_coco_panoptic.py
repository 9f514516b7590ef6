"""COCO panoptic annotations read: layouts, classes, crowds, exclusion, digests, and agreement with real files."""

import json

import numpy as np
import pytest

from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import SegmentInfo


def opened(root, **settings):
    return CocoPanoptic(CocoPanopticSettings(path=str(root), **settings))


def test_a_small_data_set(coco):
    source = opened(coco.root)
    assert source.name == coco.root.name
    assert source.classes() == (SourceClass("cat", True, native_id=1), SourceClass("sky", False, native_id=2))
    assert len(source) == 2
    first, second = source.images()
    assert (first.external_id, second.external_id) == ("a.png", "b.png")
    assert first.class_names == ("cat", "sky")
    image = first.load()
    assert image.sha256 == first.file_digest()
    assert image.uri == first.uri == str(coco.root / "images" / "a.png")
    assert image.truth.label_map.tolist() == [[0, 7, 7, 7, 300, 300]] * 4
    assert image.truth.segments == (
        SegmentInfo(7, "cat", True, 12),
        SegmentInfo(300, "sky", False, 8, is_crowd=True),
    )


def moved(coco, *moves):
    for source, target in moves:
        (coco.root / target).parent.mkdir(parents=True, exist_ok=True)
        (coco.root / source).rename(coco.root / target)


@pytest.mark.parametrize(
    "moves",
    [
        [("panoptic.json", "panoptic_val.json"), ("panoptic", "panoptic_val"), ("images", "images_"),
         ("images_", "images/val")],
        [("panoptic.json", "annotations/panoptic_val.json"), ("panoptic", "annotations/panoptic_val"),
         ("images", "val")],
        [("panoptic.json", "panoptic_val.json"), ("panoptic", "panoptic_val")],
    ],
    ids=["split folders", "official", "one photo folder"],
)  # fmt: skip
def test_each_layout_of_a_split_is_found(coco, moves):
    moved(coco, *moves)
    source = opened(coco.root, split="val")
    assert source.name == f"{coco.root.name}-val"
    assert [one.load().truth.segments[0].area for one in source.images()] == [12, 12]


def test_files_that_lie_elsewhere_can_be_named(coco, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (coco.root / "images").rename(other / "photos")
    settings = {"annotations": str(coco.file), "images": str(other / "photos")}
    assert next(opened(other, **settings).images()).load().truth.segments[0].id == 7


def test_without_image_records_the_photo_has_the_name_of_the_png(coco):
    del coco.document["images"]
    coco.save()
    coco.png("images/a.jpg", np.zeros((4, 6, 3), np.uint8))
    assert [one.external_id for one in opened(coco.root).images()] == ["a.jpg", "b.jpg"]
    assert next(opened(coco.root).images()).load().size == (4, 6)


def test_listing_reads_neither_photo_nor_png(coco):
    for path in (*coco.root.glob("images/*"), *coco.root.glob("panoptic/*")):
        path.write_bytes(b"no image")
    records = list(opened(coco.root).images())
    assert [one.class_names for one in records] == [("cat", "sky")] * 2
    with pytest.raises(DataError, match=r"a\.png"):
        records[0].load()


@pytest.mark.parametrize("settings", [{"exclude": "SKY"}, {"only": ("cat",)}])
def test_classes_left_out_become_void(coco, settings):
    source = opened(coco.root, **settings)
    assert [one.name for one in source.classes()] == ["cat"]
    record = next(source.images())
    assert record.class_names == ("cat",)
    truth = record.load().truth
    assert [one.id for one in truth.segments] == [7]
    assert truth.label_map.tolist() == [[0, 7, 7, 7, 0, 0]] * 4


def test_the_annotation_digest_follows_the_annotation_and_the_choice_of_classes(coco):
    def digests(**settings):
        return [one.annotation_digest for one in opened(coco.root, **settings).images()]

    before = digests()
    assert before == digests()
    assert before != digests(exclude="sky")
    coco.document["annotations"][1]["segments_info"][0]["category_id"] = 2
    coco.save()
    assert digests()[0] == before[0]
    assert digests()[1] != before[1]


def test_segments_that_only_the_png_has_are_no_photo_without_classes(coco, refused):
    coco.document["annotations"][0]["segments_info"] = []
    coco.save()
    record = next(opened(coco.root).images())
    assert record.class_names is None
    refused(record.load, "a.png", "only in one of them", "[7, 300]")
    (coco.root / "panoptic" / "a.png").unlink()
    record = next(opened(coco.root).images())
    assert record.class_names is None
    refused(record.load, "panoptic/a.png")


def test_a_grey_map_without_segments_is_no_photo_without_classes(coco, refused):
    coco.document["annotations"][0]["segments_info"] = []
    coco.save()
    coco.png("panoptic/a.png", np.zeros((4, 6), np.uint8))
    record = next(opened(coco.root).images())
    assert record.class_names is None
    refused(record.load, "an RGB PNG of segment ids", "a.png", "(4, 6)")


def test_an_annotation_without_segments_is_all_void(coco):
    coco.document["annotations"][0]["segments_info"] = []
    coco.save()
    coco.png("panoptic/a.png", np.zeros((4, 6, 3), np.uint8))
    record = next(opened(coco.root).images())
    assert record.class_names == ()
    assert record.load().truth.segments == ()


@pytest.mark.parametrize(
    ("pack", "split", "photos"), [("coco_panoptic", "train", 29), ("coco_panoptic", "val", 33),
                                  ("coco_panoptic_sample", "", 2)],
)  # fmt: skip
def test_real_annotations_agree_with_their_own_areas_and_crowds(shared_data, pack, split, photos):
    folder = shared_data / pack
    document = json.loads((folder / (f"panoptic_{split}.json" if split else "panoptic.json")).read_text())
    source = opened(folder, split=split)
    assert len(source) == photos
    assert [one.name for one in source.classes()] == [one["name"] for one in document["categories"]]
    names = {one["id"]: one["name"] for one in document["categories"]}
    crowds = 0
    for record, annotation in zip(source.images(), document["annotations"], strict=True):
        truth = record.load().truth
        wanted = [
            (s["id"], names[s["category_id"]], s["area"], bool(s["iscrowd"])) for s in annotation["segments_info"]
        ]
        assert [(s.id, s.class_name, s.area, s.is_crowd) for s in truth.segments] == wanted
        assert sum(s.area for s in truth.segments) == int((truth.label_map > 0).sum())
        crowds += sum(s.is_crowd for s in truth.segments)
    assert crowds > 0


def test_a_list_has_the_last_word_on_what_is_a_thing(coco):
    (coco.root / "kinds.txt").write_text("cat | stuff\n")
    source = opened(coco.root, isthing=str(coco.root / "kinds.txt"))
    assert [one.is_thing for one in source.classes()] == [False, False]
    before, after = next(opened(coco.root).images()), next(source.images())
    assert before.annotation_digest != after.annotation_digest
    assert after.load().truth.segments[0] == SegmentInfo(7, "cat", False, 12)
