"""Other names for a data set's classes: by number, by FC-CLIP's number, by name; what does not fit is refused."""

import hashlib

import pytest

from retclip.data.class_kinds import KindSettings, with_kinds
from retclip.data.class_names import NameSettings, names_digest, with_names
from retclip.errors import DataError
from retclip.plugin.contracts import Settings, SourceClass

CLASSES = [
    SourceClass("wall", False, (), 0),
    SourceClass("road, route", False, ("way",), 1),
    SourceClass("bed", True, (), 2),
]


def named(tmp_path, text, classes=CLASSES, file="names.txt"):
    (tmp_path / file).write_text(text)
    return with_names(classes, NameSettings(names=str(tmp_path / file)))


def test_without_a_list_the_classes_stay_as_they_are():
    assert with_names(CLASSES, NameSettings()) == CLASSES


@pytest.mark.parametrize(
    "text",
    [
        "0:wall,walls\n2:cot,bed\n1:road,street\n",
        "0:invalid_class_id\n1:wall,walls\n2:road,street\n3:cot,bed\n4:invalid_class_id\n",  # FC-CLIP counts from 1
        "walls, wall\n",
    ],
)
def test_a_class_is_what_its_line_says_and_nothing_else(tmp_path, text):
    if text.startswith("walls"):
        (one,) = named(tmp_path, text, CLASSES[:1])
        assert one == SourceClass("walls", False, ("wall",), 0)
        return
    wall, road, bed = named(tmp_path, text)
    assert (wall.name, wall.synonyms, wall.native_id) == ("wall", ("walls",), 0)
    assert road == SourceClass("road", False, ("street",), 1), "neither its own name nor its synonym is asked"
    assert bed == SourceClass("cot", True, ("bed",), 2)


def test_what_is_a_thing_the_list_says_as_isthing_alone(tmp_path):
    text = "0:wall | thing\n1:road\n2:bed | stuff\n"
    assert [one.is_thing for one in named(tmp_path, text)] == [False, False, True]
    kinds = KindSettings(isthing=str(tmp_path / "names.txt"))
    assert [one.is_thing for one in with_kinds(named(tmp_path, text), kinds)] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("0:wall\n1:road\n", r"2 lines, none for 2 \('bed'\)"),
        ("0:wall\n1:road\n7:bed\n", r"3 lines, number 7, which no class has, none for 2"),
        ("0:wall\n1:road\n2:bed\n3:sky\n", "4 lines, number 3, which no class has"),
        ("0:wall\n1:road\n1:way\n2:bed\n", "4 lines, a number twice"),
        ("0:wall\n1:\n2:bed\n", "a line without a name: '1:'"),
        ("0:wall\nroad\n2:bed\n", "1 of 3 lines without one, first 'road'"),
        ("wall\nunicorn\nbed\n", "'unicorn', whose names are those of no class"),
        ("wall, bed\n", "whose names are those of 'wall' and 'bed'"),
        ("wall\nwalls, wall\n", "two lines for 'wall'"),
        ("wall\nbed\n", "2 lines, none for 'road, route'"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_in_three_parts(tmp_path, text, got):
    with pytest.raises(DataError, match=got) as refused:
        named(tmp_path, text)
    assert str(tmp_path / "names.txt") in refused.value.expected and refused.value.todo


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt"):
        with_names(CLASSES, NameSettings(names=str(tmp_path / "none.txt")))


def test_the_digest_is_that_of_the_file(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("0:wall\n")
    wanted = {"file": str(file), "sha256": hashlib.sha256(b"0:wall\n").hexdigest()}
    assert names_digest(NameSettings(names=str(file))) == wanted
    assert names_digest(NameSettings()) is None and names_digest(None) is None


def test_what_another_reader_calls_names_is_no_list():
    class Options(Settings):
        names: str = "latin"

    assert names_digest(Options(names="english")) is None


def test_panoptic_annotations_are_called_alike(coco, tmp_path):
    from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings

    file = tmp_path / "names.txt"
    file.write_text("1:feline,cat\n2:heaven,sky,skies\n")
    source = CocoPanoptic(CocoPanopticSettings(path=str(coco.root), names=str(file), exclude="heaven"))
    assert [(one.name, one.synonyms) for one in source.classes()] == [("feline", ("cat",))]
    first = next(source.images())
    assert first.class_names == ("feline",) and {one.class_name for one in first.load().truth.segments} == {"feline"}
    plain = next(CocoPanoptic(CocoPanopticSettings(path=str(coco.root), exclude="sky")).images())
    assert first.annotation_digest != plain.annotation_digest
