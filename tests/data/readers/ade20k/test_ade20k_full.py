"""The full ADE20K: its index and colours; and what is refused."""

import codecs
import pickle

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.ade20k.ade20k_full import AdeFull
from retclip.data.readers.label_maps.map_pairs import MapSettings

NAMES = ["-", "wall", "building, edifice", "bank", "bank, depository"]


def save(file, pixels):
    file.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.asarray(pixels, np.uint8)).save(file)


@pytest.fixture
def full(tmp_path):
    (tmp_path / "index_ade20k.pkl").write_bytes(pickle.dumps({"objectnames": NAMES, "scene": np.array(["street"])}))
    colours = np.zeros((4, 6, 3))
    colours[:, :2] = (0, 2, 1)  # class 2, wall
    colours[:, 2:4, 1:] = (3, 1)  # two instances of class 3
    colours[:, 4:, 1:] = (3, 2)
    colours[3, :, :] = (0, 0, 9)  # no class
    colours[0, 0] = (0, 5, 1)
    save(tmp_path / "images/ADE/training/street/ADE_train_1.jpg", np.zeros((4, 6, 3)))
    save(tmp_path / "images/ADE/training/street/ADE_train_1_seg.png", colours)
    return tmp_path


def opened(root, **settings):
    return AdeFull(MapSettings(path=str(root), **settings))


def test_the_full_data_set_tells_instances_apart_and_classes_by_name(full):
    source = opened(full)
    assert [(one.name, one.synonyms) for one in source.classes()] == [
        ("-", ()), ("wall", ()), ("building", ("edifice",)), ("bank", ()), ("bank, depository", ("bank", "depository")),
    ]  # fmt: skip
    (record,) = source.images()
    assert record.external_id == "street/ADE_train_1.jpg" and len(source) == 1
    assert record.class_names == ("wall", "building", "bank, depository")
    truth = record.load().truth
    assert [(one.class_name, one.area) for one in truth.segments] == [
        ("wall", 5), ("building", 6), ("building", 6), ("bank, depository", 1),
    ]  # fmt: skip
    assert truth.label_map[3].tolist() == [0] * 6 and truth.label_map[1].tolist() == [1, 1, 2, 2, 3, 3]


def test_a_class_number_uses_the_red_channel_in_tens(full):
    names = [f"class {n}" for n in range(1, 600)]
    (full / "index_ade20k.pkl").write_bytes(pickle.dumps({"objectnames": names}))
    save(full / "images/ADE/training/street/ADE_train_1_seg.png", np.full((4, 6, 3), (20, 7, 1)))
    assert next(opened(full).images()).class_names == ("class 519",)  # 2 x 256 + 7


INDEX = {"objectnames": NAMES, "scene": np.array(["street"]), "counts": np.arange(6.0).reshape(2, 3), "n": np.int64(2),
         "folders": np.array(["a", None], dtype=object), "raw": b"\xff"}  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.filterwarnings("error")
def test_an_index_of_any_protocol_is_read_with_the_arrays_beside_the_names(full, protocol):
    (full / "index_ade20k.pkl").write_bytes(pickle.dumps(INDEX, protocol=protocol))
    assert [one.name for one in opened(full).classes()] == ["-", "wall", "building", "bank", "bank, depository"]


@pytest.mark.parametrize("protocol", range(4))
@pytest.mark.filterwarnings("error")
def test_an_index_of_an_older_numpy_is_read(full, protocol):
    content = pickle.dumps(INDEX, protocol=protocol).replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core.multiarray" in content
    (full / "index_ade20k.pkl").write_bytes(content)
    assert len(opened(full).classes()) == len(NAMES)


def test_an_index_of_python_2_is_read(full):
    texts = b"".join(
        b"U" + bytes([len(name)]) + name.encode() for name in NAMES
    )  # SHORT_BINSTRING, which 3 never writes
    (full / "index_ade20k.pkl").write_bytes(b"\x80\x02}U\x0bobjectnames](" + texts + b"es.")
    assert len(opened(full).classes()) == len(NAMES)


def test_a_list_says_what_is_a_thing_and_stuff_is_one_segment(full):
    assert {one.is_thing for one in opened(full).classes()} == {None}
    (full / "kinds.txt").write_text("wall | stuff\nbuilding | stuff\nbank, depository | thing\n")
    source = opened(full, isthing=str(full / "kinds.txt"))
    assert [one.is_thing for one in source.classes()][:3] == [None, False, False]
    truth = next(source.images()).load().truth
    assert [(one.class_name, one.is_thing, one.area) for one in truth.segments[:2]] == [
        ("wall", False, 5), ("building", False, 12),
    ]  # fmt: skip
    assert truth.label_map[1].tolist() == [1, 1, 2, 2, 2, 2]


class Encoded:
    def __reduce__(self):
        return (codecs.encode, ("x", "rot13"))


class Harmful:
    def __reduce__(self):
        return (eval, ("1 + 1",))


def index(content):
    return lambda root: (root / "index_ade20k.pkl").write_bytes(content)


def seg(pixels):
    return lambda root: save(root / "images/ADE/training/street/ADE_train_1_seg.png", pixels)


SEG = "images/ADE/training/street/ADE_train_1_seg.png"
PHOTO = "images/ADE/training/street/ADE_train_1.jpg"
FULL = {
    "no index": (lambda root: (root / "index_ade20k.pkl").unlink(), "index_ade20k.pkl"),
    "an empty index": (index(b""), "index_ade20k.pkl"),
    "an index of words": (index(b"hello"), "index_ade20k.pkl"),
    "a cut index": (index(pickle.dumps({"objectnames": NAMES})[:20]), "index_ade20k.pkl"),
    "an index that runs code": (index(pickle.dumps({"objectnames": [Harmful()]})), "eval"),
    "an index that encodes": (index(pickle.dumps({"objectnames": NAMES, "x": Encoded()})), "rot13"),
    "an index of a list": (index(pickle.dumps(NAMES)), "objectnames"),
    "an index without names": (index(pickle.dumps({"filename": []})), "objectnames"),
    "names of null": (index(pickle.dumps({"objectnames": None})), "objectnames"),
    "no names": (index(pickle.dumps({"objectnames": []})), "objectnames"),
    "a name of a number": (index(pickle.dumps({"objectnames": ["wall", 5]})), "objectnames"),
    "an empty name": (index(pickle.dumps({"objectnames": ["wall", " , "]})), "objectnames"),
    "no photos": (lambda root: (root / "images").rename(root / "x"), "images"),
    "no photo": (lambda root: (root / PHOTO).unlink(), "no photo"),
    "no map": (lambda root: (root / SEG).unlink(), "ADE_train_1.jpg"),
    "an empty map": (lambda root: (root / SEG).write_bytes(b""), "ADE_train_1_seg.png"),
    "a map of words": (lambda root: (root / SEG).write_bytes(b"hello"), "ADE_train_1_seg.png"),
    "a map without colours": (seg(np.zeros((4, 6))), "ADE_train_1_seg.png"),
    "a map of another size": (seg(np.zeros((3, 6, 3))), "(3, 6)"),
    "a class that the index lacks": (seg(np.full((4, 6, 3), (0, 6, 1))), "class 6"),
    "a class far above": (seg(np.full((4, 6, 3), 255)), "ADE_train_1_seg.png"),
    "a photo of words": (lambda root: (root / PHOTO).write_bytes(b"hello"), "ADE_train_1.jpg"),
}


@pytest.mark.parametrize(("damage", "word"), FULL.values(), ids=FULL)
def test_a_damaged_full_data_set_is_told(full, told, damage, word):
    damage(full)
    said = told(lambda: opened(full))
    assert any(word in one for one in said), said


def test_a_class_that_the_index_lacks_costs_its_segments(full):
    colours = np.asarray(Pillow.open(full / SEG)).copy()
    colours[:2, :2] = (0, 6, 1)
    save(full / SEG, colours)
    image = next(opened(full).images()).load()
    assert [(one.class_name, one.area) for one in image.truth.segments] == [
        ("wall", 2),
        ("building", 6),
        ("building", 6),
    ]
    assert not image.truth.label_map[:2, :2].any()
    assert [part.record for part in image.passed_over.bad] == [f"number {6 * 256 + 1} of {full / SEG}"]


def test_an_index_of_lists_that_hold_each_other_is_told_in_few_characters(full, told):
    names = "x"
    for _ in range(60):
        names = [names, names]
    (full / "index_ade20k.pkl").write_bytes(pickle.dumps({"objectnames": names}))
    assert all(len(one) < 1000 for one in told(lambda: opened(full)))


def test_a_map_of_foreign_classes_alone_is_no_photo_without_classes_and_maps_without_a_photo_are_counted(full, refused):
    save(full / SEG, np.full((4, 6, 3), (100, 200, 1)))
    save((full / SEG).with_name("ADE_train_2_seg.png"), np.zeros((4, 6, 3)))
    source = opened(full)
    record = next(source.images())
    assert record.class_names is None
    refused(record.load, "ADE_train_1_seg.png", "class 2760")
    assert source.passed_over().counts == {"maps without a photo": 1}
