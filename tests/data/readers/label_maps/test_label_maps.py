"""Label maps: classes, void, components in place of instances, small ones, choice of classes; CamVid to the pixel."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from retclip.data.readers.label_maps.label_map_source import LabelMapSettings
from retclip.data.readers.label_maps.label_maps import LabelMaps
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import SegmentInfo


def opened(root, **options):
    return LabelMaps(LabelMapSettings(path=str(root), **options))


def truth_of(root, **options):
    return next(opened(root, **options).images()).load().truth


def test_a_small_data_set(street):
    source = opened(street.root)
    assert source.name == street.root.name
    assert source.classes() == (SourceClass("Sky", False, (), 0), SourceClass("Car", True, ("auto",), 1))
    assert [one.external_id for one in source.images()] == ["a.png", "b.png"]
    assert len(source) == 2
    record = next(source.images())
    assert record.class_names == ("Sky", "Car")
    image = record.load()
    assert image.sha256 == record.file_digest()
    # the void column parts the car in two, and both are cars of their own
    assert image.truth.label_map.tolist() == [[1, 1, 2, 0, 3, 3]] * 4
    assert image.truth.label_map.dtype == np.int32
    assert image.truth.segments == (
        SegmentInfo(1, "Sky", False, 8),
        SegmentInfo(2, "Car", True, 4),
        SegmentInfo(3, "Car", True, 8),
    )


def test_components_can_be_left_together(street):
    truth = truth_of(street.root, components=False)
    assert truth.label_map.tolist() == [[1, 1, 2, 0, 2, 2]] * 4
    assert [one.area for one in truth.segments] == [8, 12]


def test_components_touch_at_corners_and_stuff_is_never_parted(street):
    street.png("labels/a.png", np.array([[1, 9, 9, 9, 0, 9], [9, 1, 9, 9, 9, 9]] + [[9, 9, 9, 1, 9, 0]] * 2, np.uint8))
    found = [(one.class_name, one.area) for one in truth_of(street.root).segments]
    assert found == [("Sky", 3), ("Car", 2), ("Car", 2)]


@pytest.mark.parametrize(("min_area", "areas"), [(0, [8, 4, 8]), (4, [8, 4, 8]), (5, [8, 8]), (9, [8])])
def test_small_components_of_things_become_void(street, min_area, areas):
    truth = truth_of(street.root, min_area=min_area)
    assert [one.area for one in truth.segments] == areas  # the sky of 8 pixels is stuff and stays
    assert [one.id for one in truth.segments] == list(range(1, len(areas) + 1))
    assert int((truth.label_map > 0).sum()) == sum(areas)


@pytest.mark.parametrize("options", [{"exclude": "sky"}, {"only": ("CAR",)}, {"only": ("Car",), "exclude": ("Sky",)}])
def test_classes_left_out_become_void(street, options):
    source = opened(street.root, **options)
    assert [one.name for one in source.classes()] == ["Car"]
    record = next(source.images())
    assert record.class_names == ("Car",)
    truth = record.load().truth
    assert [one.class_name for one in truth.segments] == ["Car", "Car"]
    assert (truth.label_map > 0).tolist() == [[False, False, True, False, True, True]] * 4


def test_the_void_id_is_no_class_even_where_the_list_names_it(street):
    street.document["classes"].append({"id": 9, "name": "Unlabelled", "isthing": 0})
    street.save()
    assert [one.name for one in opened(street.root).classes()] == ["Sky", "Car"]
    assert truth_of(street.root).label_map[0, 3] == 0


def test_a_plain_list_of_names(street):
    street.file.unlink()
    (street.root / "classes.txt").write_text("\ufeffSky\n\n  Car \n", encoding="utf-8")
    street.png("labels/a.png", np.array([[0, 0, 0, 1, 1, 1]] * 4, np.uint8))
    source = opened(street.root)
    assert source.classes() == (SourceClass("Sky", None, (), 0), SourceClass("Car", None, (), 1))
    assert [one.area for one in next(source.images()).load().truth.segments] == [12, 12]


LISTS = {  # by the rules of `--classes`
    "classes.txt": "# of 2026\r\n0: Cafe\u0301 | stuff\r\n1: C# book, #1 book | thing\r\n",
    "classes.csv": "sep=;\nid;name;synonyms;isthing\n1;C# book;#1 book;yes\n0;Cafe\u0301;;no\n",
    "classes.tsv": "Name\tPrompt_Names\tisthing\nCafe\u0301\t\t0\nC# book\t#1 book\t1\n",
}


@pytest.mark.parametrize(("name", "content"), LISTS.items())
def test_a_list_beside_the_maps_is_read_by_the_rules_of_class_lists(street, name, content):
    street.file.unlink()
    (street.root / name).write_bytes(content.encode())
    source = opened(street.root)
    first, second = sorted(source.classes(), key=lambda one: one.native_id)
    assert first == SourceClass("Caf\u00e9", False, (), 0) and second == SourceClass("C# book", True, ("#1 book",), 1)
    assert next(source.images()).class_names == tuple(one.name for one in source.classes())


def test_a_yolo_data_set_s_names_and_numbers_that_are_the_ids(street):
    street.file.unlink()
    (street.root / "data.yaml").write_text("nc: 2\nnames: {9: Tree, 1: Car}\n")
    assert opened(street.root).classes() == (SourceClass("Car", None, (), 1), SourceClass("Tree", None, (), 9))
    (street.root / "classes.txt").write_text("0: Sky\nCar\n")
    with pytest.raises(DataError, match=r"a number for each class or for none.*'Car'"):
        opened(street.root)


@pytest.mark.parametrize(
    ("name", "content"),
    [("classes.txt", "Sky\nCar\n"), ("classes.json", '[{"id": 0, "name": "Sky"}, {"id": 1, "name": "Car"}]')],
)
def test_a_class_that_nobody_calls_a_thing_is_of_unknown_kind_and_whole_until_a_list_says_it(street, name, content):
    street.file.unlink()
    (street.root / name).write_text(content)
    street.png("labels/a.png", np.array([[1, 0, 0, 0, 0, 1]] * 4, np.uint8))
    assert [one.is_thing for one in opened(street.root).classes()] == [None, None]
    assert [(one.class_name, one.area) for one in truth_of(street.root).segments] == [("Sky", 16), ("Car", 8)]
    listed = street.root / "kinds.txt"
    listed.write_text("sky | stuff\ncar | thing\ntree | stuff\n")
    told = opened(street.root, isthing=str(listed))
    assert [one.is_thing for one in told.classes()] == [False, True]
    assert [one.area for one in truth_of(street.root, isthing=str(listed)).segments] == [16, 4, 4]
    plain, kinds = next(opened(street.root).images()), next(told.images())
    assert plain.annotation_digest != kinds.annotation_digest


def test_lists_beside_the_one_that_is_read_are_counted(street):
    for name in ("classes.txt", "data.yaml"):
        (street.root / name).write_text("Tree\nBus\n")
    source = opened(street.root)
    assert [one.name for one in source.classes()] == ["Sky", "Car"]
    assert source.passed_over().counts == {"class lists beside classes.json": 2}


def test_a_list_without_a_void_id_and_synonyms_in_one_text(street):
    classes = street.document["classes"]
    classes[1]["prompt_names"] = "auto, motor car , Car,"
    street.save([*classes, {"id": 9, "name": "Tree"}])
    source = opened(street.root)
    assert source.classes()[1].synonyms == ("auto", "motor car")
    assert [one.class_name for one in next(source.images()).load().truth.segments] == ["Sky", "Car", "Car", "Tree"]


def test_a_split_is_a_folder_below(street):
    (street.root / "val").mkdir()
    for part in ("images", "labels"):
        (street.root / part).rename(street.root / "val" / part)
    source = opened(street.root, split="val")
    assert source.name == f"{street.root.name}-val"
    assert len(source) == 2
    with pytest.raises(DataError, match="split"):
        opened(street.root, split="train")


def test_the_annotation_digest_follows_the_map_and_the_settings(street):
    def digests(**options):
        return [one.annotation_digest for one in opened(street.root, **options).images()]

    before = digests()
    assert before == digests()
    for options in ({"exclude": "sky"}, {"min_area": 5}, {"components": False}):
        assert digests(**options)[0] != before[0]
    street.png("labels/b.png", np.zeros((4, 6), np.uint8))
    assert digests()[0] == before[0]
    assert digests()[1] != before[1]


def test_the_annotation_digest_follows_the_class_list(street):
    """A corrected list must be built again: it changes what every pixel is called."""
    listed = street.root / "classes.json"
    document = json.loads(listed.read_text())

    def digest():
        return next(opened(street.root).images()).annotation_digest

    seen = {digest()}
    first, second = document["classes"][:2]
    first["id"], second["id"] = second["id"], first["id"]
    listed.write_text(json.dumps(document))
    seen.add(digest())
    listed.write_text(json.dumps({**document, "void_id": 77}))
    seen.add(digest())
    first["isthing"] = not first.get("isthing", True)
    listed.write_text(json.dumps({**document, "void_id": 77}))
    assert len({*seen, digest()}) == 4


def test_photos_are_known_by_where_they_lie_from_everywhere(street, monkeypatch):
    monkeypatch.chdir(street.root.parent)
    record = next(opened(street.root.name).images())
    assert record.uri == record.load().uri
    assert record.uri.startswith(str(street.root))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0, 1, 9]), min_size=6, max_size=6), min_size=4, max_size=4))
def test_each_pixel_keeps_its_class_on_random_maps(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("maps")
    labels = np.array(rows, np.uint8)
    classes = [{"id": 0, "name": "s", "isthing": 0}, {"id": 1, "name": "c", "isthing": 1}]
    (root / "classes.json").write_text(json.dumps({"classes": classes, "void_id": 9}))
    for part, pixels in (("images", np.zeros((4, 6, 3), np.uint8)), ("labels", labels)):
        (root / part).mkdir()
        Pillow.fromarray(pixels).save(root / part / "a.png")
    truth = truth_of(root)
    names = np.array(["void", *(one.class_name for one in truth.segments)])[truth.label_map]
    for name, native_id in (("s", 0), ("c", 1), ("void", 9)):
        assert np.array_equal(names == name, labels == native_id)
    for one in truth.segments:
        assert one.area == int((truth.label_map == one.id).sum())


@pytest.mark.parametrize(("split", "photos"), [("train", 60), ("val", 30)])
def test_camvid_keeps_every_pixel_of_every_class(shared_data, split, photos):
    root = shared_data / "camvid"
    document = json.loads((root / "classes.json").read_text())
    listed = {one["name"]: one["id"] for one in document["classes"] if one["id"] != document["void_id"]}
    source = opened(root, split=split)
    assert len(source) == photos
    assert [one.name for one in source.classes()] == list(listed)
    for record in source.images():
        labels = np.asarray(Pillow.open(root / split / "labels" / f"{record.external_id[:-4]}.png"))
        counted = dict.fromkeys(listed, 0)
        truth = record.load().truth
        for one in truth.segments:
            counted[one.class_name] += one.area
        assert counted == {name: int((labels == one).sum()) for name, one in listed.items()}
        assert np.array_equal(truth.label_map == 0, labels == 11)
        assert set(record.class_names) == {name for name, area in counted.items() if area}


@pytest.mark.parametrize(("word", "thing"), [("0", False), ("false", False), ("1", True), (0, False), (None, None)])
def test_yes_and_no_in_any_spelling(street, word, thing):
    street.document["classes"][1]["isthing"] = word
    street.save()
    assert opened(street.root).classes()[1].is_thing is thing


def test_a_remark_is_no_class_and_takes_no_number(street):
    street.file.unlink()
    (street.root / "classes.txt").write_text("# my classes\nSky\n#1 car\n")
    assert [(one.name, one.native_id) for one in opened(street.root).classes()] == [("Sky", 0), ("#1 car", 1)]
