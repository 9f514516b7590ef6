"""Cityscapes: classes, instances and groups from one 16-bit map; and what is refused."""

import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.label_maps.cityscapes import Cityscapes, CityscapesSettings
from retclip.errors import DataError

IDS = np.array([[7, 7, 26001, 26001, 26002, 26], [9, 4, 0, 24, 24000, 23]] * 2, np.int32)


def save_ids(file, ids, dtype=np.uint16):
    file.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(ids.astype(dtype)).save(file)


@pytest.fixture
def town(tmp_path):
    photo = tmp_path / "leftImg8bit" / "val" / "ulm" / "ulm_000001_leftImg8bit.png"
    photo.parent.mkdir(parents=True)
    Pillow.fromarray(np.zeros((4, 6, 3), np.uint8)).save(photo)
    save_ids(tmp_path / "gtFine" / "val" / "ulm" / "ulm_000001_gtFine_instanceIds.png", IDS)
    return tmp_path


def opened(root, **settings):
    return Cityscapes(CityscapesSettings(path=str(root), **{"split": "val", **settings}))


def test_instances_are_told_apart_groups_are_crowds_and_the_rest_is_void(town):
    source = opened(town)
    assert len(source.classes()) == 19 and sum(one.is_thing for one in source.classes()) == 8 and len(source) == 1
    (record,) = source.images()
    assert record.external_id == "ulm/ulm_000001_leftImg8bit.png"
    assert record.class_names == ("road", "sky", "person", "car")
    truth = record.load().truth
    found = [(one.class_name, one.is_thing, one.is_crowd, one.area) for one in truth.segments]
    assert found == [
        ("road", False, False, 4), ("sky", False, False, 2), ("person", True, True, 2), ("car", True, True, 2),
        ("person", True, False, 2), ("car", True, False, 4), ("car", True, False, 2),
    ]  # fmt: skip
    assert truth.label_map[0].tolist() == [1, 1, 6, 6, 7, 4] and truth.label_map[1].tolist() == [0, 0, 0, 3, 5, 2]


def test_numbers_that_cityscapes_has_not_are_told_of_regions_and_of_instances(town, refused):
    save_ids(_map(town), np.array([[7, 7, 40, 40, 41000, 4]] * 4))
    image = next(opened(town).images()).load()
    assert [one.class_name for one in image.truth.segments] == ["road"]
    assert [part.record.split(" of ")[0] for part in image.passed_over.bad] == ["number 40", "number 41000"]
    save_ids(_map(town), IDS * 0 + 200)
    record = next(opened(town).images())
    assert record.class_names is None
    refused(record.load, "instanceIds", "200")
    save_ids(_map(town), np.array([[4, 4, 40, 40, 0, 4]] * 4))  # of the others none is a class of the benchmark
    image = next(opened(town).images()).load()
    assert not image.truth.segments and len(image.passed_over.bad) == 1


def test_what_lies_beside_photos_and_maps_is_counted(town):
    _photo(town).with_name("ulm_000002_leftImg8bit.jpg").write_bytes(b"a photo")
    save_ids(_map(town).with_name("ulm_000003_gtFine_instanceIds.png"), IDS)
    save_ids(_map(town).with_name("ulm_000001_gtFine_labelIds.png"), IDS)
    assert opened(town).passed_over().counts == {"files that are not read (.jpg)": 1, "maps without a photo": 1}


def test_kept_classes_and_coarse_annotations(town):
    only = next(opened(town, only=("car",)).images()).load().truth
    assert {one.class_name for one in only.segments} == {"car"}
    save_ids(town / "gtCoarse" / "val" / "ulm" / "ulm_000001_gtCoarse_instanceIds.png", IDS * 0 + 7)
    coarse = next(opened(town, annotations="gtCoarse").images())
    assert coarse.class_names == ("road",)
    assert coarse.annotation_digest != next(opened(town).images()).annotation_digest


def _map(root):
    return root / "gtFine" / "val" / "ulm" / "ulm_000001_gtFine_instanceIds.png"


def _photo(root):
    return root / "leftImg8bit" / "val" / "ulm" / "ulm_000001_leftImg8bit.png"


def _as_bytes(file, content):
    file.write_bytes(content)


DAMAGE = {  # name: (what is done, words that the error must hold)
    "no photos' folder": (lambda root: (root / "leftImg8bit").rename(root / "x"), "leftImg8bit"),
    "no annotations' folder": (lambda root: (root / "gtFine").rename(root / "x"), "gtFine"),
    "no city": (lambda root: (root / "leftImg8bit/val/ulm").rename(root / "x"), "CITY"),
    "no map": (lambda root: _map(root).unlink(), "ulm_000001"),
    "a map of another name": (lambda root: _map(root).rename(_map(root).with_name("x.png")), "ulm_000001"),
    "a map in another city": (lambda root: _map(root).parent.rename(root / "gtFine/val/bonn"), "ulm_000001"),
    "an empty map": (lambda root: _as_bytes(_map(root), b""), "instanceIds"),
    "a map of words": (lambda root: _as_bytes(_map(root), b"hello"), "instanceIds"),
    "a cut map": (lambda root: _as_bytes(_map(root), _map(root).read_bytes()[:40]), "instanceIds"),
    "a map in colour": (lambda root: save_ids(_map(root), np.zeros((4, 6, 3)), np.uint8), "instanceIds"),
    "a map of another height": (lambda root: save_ids(_map(root), IDS[:3]), "(3, 6)"),
    "a map of another width": (lambda root: save_ids(_map(root), IDS[:, :5]), "(4, 5)"),
    "ids above all classes": (lambda root: save_ids(_map(root), IDS * 0 + 34000), "34000"),
    "ids of another data set": (lambda root: save_ids(_map(root), IDS * 0 + 65535), "65535"),
    "a JPEG as map": (
        lambda root: Pillow.fromarray(np.zeros((4, 6), np.uint8)).save(_map(root), "JPEG"),
        "instanceIds",
    ),
    "a folder as map": (lambda root: (_map(root).unlink(), _map(root).mkdir()), "ulm_000001"),
    "an empty photo": (lambda root: _as_bytes(_photo(root), b""), "leftImg8bit"),
    "a photo of words": (lambda root: _as_bytes(_photo(root), b"hello"), "leftImg8bit"),
    "a cut photo": (lambda root: _as_bytes(_photo(root), _photo(root).read_bytes()[:40]), "leftImg8bit"),
    "a photo of another size": (lambda root: Pillow.new("RGB", (5, 4)).save(_photo(root)), "(4, 5)"),
    "a palette as map": (lambda root: Pillow.new("P", (6, 4)).save(_map(root)), "instanceIds"),
}


@pytest.mark.parametrize(("damage", "word"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_refused_with_its_file(town, refused, damage, word):
    damage(town)
    refused(lambda: next(opened(town).images()).load(), word)


def test_a_map_that_was_packed_into_fewer_bits_is_refused(town, refused):
    def chunk(name, content):
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    header = (6).to_bytes(4, "big") + (4).to_bytes(4, "big") + b"\x04\x00\x00\x00\x00"  # 4 bits of grey
    rows = zlib.compress(b"\x00\x11\x11\x11" * 4)  # 1 everywhere, which stretched to 255 would be 17, a pole
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    (file,) = (town / "gtFine" / "val" / "ulm").iterdir()
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    refused(lambda: [one.load() for one in opened(town).images()], "8 or 16 bits", "4 bits", file.name)


def test_another_split_or_class_that_is_not_there(town):
    with pytest.raises(DataError, match="train"):
        opened(town, split="train")
    with pytest.raises(DataError, match="zebra"):
        opened(town, only=("zebra",))
