"""What the writer writes, the reader reads back without a change: on random maps, at the largest id, on real photos."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from retclip.data.panoptic_writer import LARGEST_ID, PanopticWriter
from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings, read_panoptic
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo

CLASSES = [SourceClass("cat", True, native_id=17), SourceClass("sky", False, native_id=3)]


def panoptic(rows, crowds=(), class_of=lambda one: CLASSES[one % 2]):
    label_map = np.array(rows, dtype=np.int32)
    infos = []
    for one in np.unique(label_map[label_map > 0]).tolist():
        kind = class_of(one)
        area = int((label_map == one).sum())
        infos.append(SegmentInfo(one, kind.name, kind.is_thing, area, is_crowd=one in crowds))
    return PanopticSegmentation(label_map, tuple(infos))


def written(folder, *maps, classes=CLASSES, name="panoptic"):
    writer = PanopticWriter(folder, classes, name)
    (folder / "images").mkdir(exist_ok=True)
    for number, one in enumerate(maps):
        height, width = one.label_map.shape
        Pillow.new("RGB", (width, height)).save(folder / "images" / f"{number}.png")
        writer.add(str(number), one, f"{number}.png")
    writer.close()
    return CocoPanoptic(CocoPanopticSettings(path=str(folder)))


def same(found, wanted):
    assert np.array_equal(found.label_map, wanted.label_map)
    assert found.label_map.dtype == np.int32
    assert set(found.segments) == set(wanted.segments)


@st.composite
def label_maps(draw):
    ids = draw(st.lists(st.one_of(st.integers(1, 300), st.integers(1, LARGEST_ID)), min_size=1, max_size=6))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    pick = st.lists(st.sampled_from([0, *ids]), min_size=height * width, max_size=height * width)
    return panoptic(np.array(draw(pick)).reshape(height, width), draw(st.sets(st.sampled_from(ids), max_size=2)))


@settings(max_examples=60, deadline=None)
@given(maps=st.lists(label_maps(), min_size=1, max_size=3))
def test_random_maps_come_back_as_they_were(tmp_path_factory, maps):
    source = written(tmp_path_factory.mktemp("written"), *maps)
    assert source.classes() == tuple(CLASSES)
    assert len(source) == len(maps)
    for record, wanted in zip(source.images(), maps, strict=True):
        same(record.load().truth, wanted)
        assert record.class_names == tuple(c.name for c in CLASSES if c.name in {s.class_name for s in wanted.segments})


def test_the_largest_and_the_odd_ids_survive(tmp_path):
    one = panoptic([[0, 1, 255, 256], [65535, 65536, LARGEST_ID - 1, LARGEST_ID]])
    same(next(written(tmp_path, one).images()).load().truth, one)
    colours = np.asarray(Pillow.open(tmp_path / "panoptic" / "0.png"))
    assert colours[0, 3].tolist() == [0, 1, 0]  # 256 = 0 + 1 * 256
    assert colours[1, 3].tolist() == [255, 255, 255]


def test_the_record_says_where_each_segment_lies(tmp_path):
    one = panoptic([[0, 7, 0, 7], [0, 7, 8, 0]], crowds={7})
    written(tmp_path, one)
    document = json.loads((tmp_path / "panoptic.json").read_text())
    assert document["images"] == [{"id": 1, "file_name": "0.png", "height": 2, "width": 4}]
    assert document["categories"][0] == {"id": 17, "name": "cat", "isthing": 1}
    seven, eight = document["annotations"][0]["segments_info"]
    assert (seven["bbox"], seven["area"], seven["iscrowd"], seven["category_id"]) == ([1, 0, 3, 2], 3, 1, 3)
    assert (eight["bbox"], eight["area"], eight["iscrowd"], eight["category_id"]) == ([2, 1, 1, 1], 1, 0, 17)


def test_nothing_but_the_results_is_left_in_the_folder(tmp_path):
    PanopticWriter(tmp_path, CLASSES, "guess").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guess", "guess.json"]
    assert json.loads((tmp_path / "guess.json").read_text())["annotations"] == []


@pytest.mark.parametrize(
    "numbers", [(-1, -1, -1), (2, -1, -1), (-1, 1, -1), (5, 5, 6), (0, 1, 2), (3, -1, 3), (-1, 4, 5)], ids=str
)
def test_each_class_gets_a_number_of_its_own(tmp_path, numbers):
    classes = [SourceClass(name, True, native_id=one) for name, one in zip("abc", numbers, strict=True)]
    one = panoptic([[1, 2, 3]], class_of=lambda i: classes[i - 1])
    source = written(tmp_path, one, classes=classes)
    assert [found.name for found in source.classes()] == ["a", "b", "c"]
    assert all(found.native_id >= 0 for found in source.classes())
    same(next(source.images()).load().truth, one)


def test_a_name_in_any_script_survives(tmp_path):
    classes = [SourceClass('猫 "quoted" é', True, native_id=1), SourceClass("می\u200cدان", True, native_id=2)]
    one = panoptic([[1, 2]], class_of=lambda i: classes[i - 1])
    same(next(written(tmp_path, one, classes=classes).images()).load().truth, one)


def test_what_an_earlier_run_wrote_stays_listed(tmp_path):
    """Other photos, other classes, some of them the same, into one folder."""
    first, second = panoptic([[1, 2]]), panoptic([[0, 2]])
    written(tmp_path, first, second)
    ants = [SourceClass("ant", True, native_id=17), SourceClass("sky", False, native_id=99)]
    writer = PanopticWriter(tmp_path, ants)
    again, more = (panoptic(rows, class_of=lambda one: ants[one % 2]) for rows in ([[3, 3]], [[2, 3]]))
    writer.add("1", again, "1.png")
    writer.add("new", more, "new.png")
    writer.close()
    Pillow.new("RGB", (2, 1)).save(tmp_path / "images" / "new.png")
    source = CocoPanoptic(CocoPanopticSettings(path=str(tmp_path)))
    assert {one.name: one.is_thing for one in source.classes()} == {"cat": True, "sky": False, "ant": True}
    assert len({one.native_id for one in source.classes()}) == 3
    found = {record.external_id: record.load().truth for record in source.images()}
    for name, wanted in (("0.png", first), ("1.png", again), ("new.png", more)):
        same(found[name], wanted)


def test_a_run_that_adds_nothing_changes_nothing(tmp_path):
    written(tmp_path, panoptic([[1, 2]]))
    before = (tmp_path / "panoptic.json").read_bytes()
    PanopticWriter(tmp_path, [SourceClass("other")]).close()
    assert (tmp_path / "panoptic.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"images": [{}], "annotations": [], "categories": []}', "\udcff"])
def test_a_json_that_is_something_else_is_not_overwritten(tmp_path, content):
    (tmp_path / "panoptic.json").write_text(content, errors="surrogateescape")
    with pytest.raises(DataError, match="another folder"):
        PanopticWriter(tmp_path, CLASSES)
    assert (tmp_path / "panoptic.json").read_text(errors="surrogateescape") == content


@pytest.mark.parametrize("label", [-1, LARGEST_ID + 1])
def test_an_id_that_three_bytes_cannot_hold_is_refused(tmp_path, label):
    one = PanopticSegmentation(np.array([[label]], np.int32), (SegmentInfo(label, "cat", True, 1),))
    with pytest.raises(DataError, match="renumber"):
        PanopticWriter(tmp_path, CLASSES).add("a", one)


def test_a_class_that_was_not_announced_is_refused(tmp_path):
    one = panoptic([[1]])
    strange = replace(one, segments=(replace(one.segments[0], class_name="dog"),))
    with pytest.raises(DataError, match="'dog'"):
        PanopticWriter(tmp_path, CLASSES).add("a", strange)


def test_every_real_annotation_is_written_and_read_without_a_change(shared_data, tmp_path):
    folder = shared_data / "coco_panoptic"
    source = CocoPanoptic(CocoPanopticSettings(path=str(folder), split="val"))
    original = json.loads((folder / "panoptic_val.json").read_text())
    writer = PanopticWriter(tmp_path, source.classes())
    truths = {}
    for record in source.images():
        truths[record.external_id] = record.load().truth
        writer.add(record.external_id[:-4], truths[record.external_id], record.external_id)
    writer.close()
    settings_ = CocoPanopticSettings(path=str(tmp_path), images=str(folder / "images" / "val"))
    again = CocoPanoptic(settings_)
    assert again.classes() == source.classes()
    assert len(again) == len(source) == 33
    for record in again.images():
        same(record.load().truth, truths[record.external_id])
    areas = {(s["id"], s["area"]) for one in original["annotations"] for s in one["segments_info"]}
    ours = json.loads((tmp_path / "panoptic.json").read_text())
    assert {(s["id"], s["area"]) for one in ours["annotations"] for s in one["segments_info"]} == areas


def test_the_reader_needs_only_the_png_and_its_segments(tmp_path):
    one = panoptic([[0, 5]])
    written(tmp_path, one)
    segments = json.loads((tmp_path / "panoptic.json").read_text())["annotations"][0]["segments_info"]
    same(read_panoptic(tmp_path / "panoptic" / "0.png", segments, {c.native_id: c for c in CLASSES}), one)


def test_writing_takes_few_bytes_a_pixel(tmp_path):
    """A copy of the map's three colours and what goes to Pillow; it took 24 bytes and more."""
    label_map = np.zeros((2000, 1000), dtype=np.int32)
    label_map[500:] = 2
    found = PanopticSegmentation(label_map, (SegmentInfo(2, CLASSES[0].name, True, 1_500_000),))
    writer = PanopticWriter(tmp_path, CLASSES)
    tracemalloc.start()
    writer.add("0", found)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / label_map.size < 8
