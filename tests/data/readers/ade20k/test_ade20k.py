"""ADE20K: the challenge's table and maps; and what is refused."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.ade20k.ade20k import AdeChallenge
from retclip.data.readers.ade20k.challenge_kinds import STUFF
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings

TABLE = "Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t9\t9\twall\n2\t0.1\t9\t9\tbuilding, edifice\n3\t0.1\t9\t9\tsky\n"
LABELS = np.array([[0, 1, 1, 2, 3, 2]] * 4, np.uint8)


def save(file, pixels):
    file.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.asarray(pixels, np.uint8)).save(file)


@pytest.fixture
def challenge(tmp_path):
    save(tmp_path / "images/validation/ADE_val_1.jpg", np.zeros((4, 6, 3)))
    save(tmp_path / "annotations/validation/ADE_val_1.png", LABELS)
    (tmp_path / "objectInfo150.txt").write_text(TABLE)
    return tmp_path


def challenged(root, **settings):
    return AdeChallenge(LabelMapSettings(path=str(root), **{"split": "validation", **settings}))


def test_the_challenge_without_a_word_on_things_leaves_them_open(challenge):
    source = challenged(challenge)
    assert [(one.name, one.is_thing, one.synonyms) for one in source.classes()] == [
        ("wall", None, ()), ("building", None, ("edifice",)), ("sky", None, ()),
    ]  # fmt: skip
    (record,) = source.images()
    assert record.class_names == ("wall", "building", "sky")
    truth = record.load().truth
    assert [(one.class_name, one.area) for one in truth.segments] == [("wall", 8), ("building", 8), ("sky", 4)]
    assert truth.label_map[0].tolist() == [0, 1, 1, 2, 3, 2]


def test_the_mapping_of_the_instance_challenge_says_what_is_a_thing(challenge):
    (challenge / "categoryMapping.txt").write_text("Instance_id ADE150_id\n1 2\n")
    source = challenged(challenge)
    assert [one.is_thing for one in source.classes()] == [False, True, False]
    assert [one.class_name for one in next(source.images()).load().truth.segments] == [
        "wall", "building", "building", "sky",
    ]  # fmt: skip


def test_the_table_may_have_commas(challenge):
    (challenge / "objectInfo150.txt").unlink()
    (challenge / "objectInfo150.csv").write_text(
        'Idx,Ratio,Train,Val,Stuff,Name\n1,0,1,1,1,wall\n2,0,1,1,0,"a, b"\n3,0,1,1,0,c\n'
    )
    assert [(one.name, one.synonyms) for one in challenged(challenge).classes()] == [
        ("wall", ()), ("a", ("b",)), ("c", ()),
    ]  # fmt: skip


def test_a_csv_that_parts_the_words_of_a_name_is_refused_and_the_other_table_preferred(challenge, refused):
    (challenge / "objectInfo150.csv").write_text("Idx,Ratio,Name\n1,0,wall\n2,0,traffic;light;traffic;signal\n3,0,c\n")
    assert [one.name for one in challenged(challenge).classes()] == ["wall", "building", "sky"]
    (challenge / "objectInfo150.txt").unlink()
    refused(lambda: challenged(challenge), "row 3", "objectInfo150.csv", "traffic;light", "take objectInfo150.txt")


def whole_table(names=None, head="Idx\tName", row="{number}\t{name}"):
    """The challenge's 150 classes: its stuff by their names, the things by names of our own."""
    names = {number: STUFF.get(number, f"thing {number}") for number in range(1, 151)} | (names or {})
    return "\n".join([head, *(row.format(number=number, name=name) for number, name in names.items())]) + "\n"


def test_the_challenge_s_own_150_classes_are_100_things_and_50_stuff(challenge):
    (challenge / "objectInfo150.txt").write_text(whole_table())
    classes = challenged(challenge).classes()
    assert [one.native_id for one in classes if one.is_thing is False] == list(STUFF)
    assert sum(one.is_thing is True for one in classes) == 100 and len(STUFF) == 50


def test_the_150_classes_are_divided_as_the_panoptic_data_set_does_whatever_the_column_stuff_says(challenge):
    text = whole_table(head="Idx\tStuff\tName", row="{number}\t0\t{name}")
    (challenge / "objectInfo150.txt").write_text(text)
    assert sum(one.is_thing is False for one in challenged(challenge).classes()) == 50


@pytest.mark.parametrize("names", [{5: "lamp post"}, {151: "fox"}])
def test_other_classes_in_the_challenge_s_form_are_not_divided_by_its_table(challenge, names):
    (challenge / "objectInfo150.txt").write_text(whole_table(names))
    assert {one.is_thing for one in challenged(challenge).classes()} == {None}


def test_the_column_stuff_says_what_is_stuff_and_a_list_has_the_last_word(challenge):
    table = "Idx\tStuff\tName\n1\t1\twall\n2\t0\tbuilding, edifice\n3\t\tsky\n"
    (challenge / "objectInfo150.txt").write_text(table)
    assert [one.is_thing for one in challenged(challenge).classes()] == [False, True, None]
    (challenge / "kinds.csv").write_text("name,isthing\nbuilding,0\nsky,no\n")
    told = challenged(challenge, isthing=str(challenge / "kinds.csv"))
    assert [one.is_thing for one in told.classes()] == [False, False, False]


def table(text):
    return lambda root: (root / "objectInfo150.txt").write_bytes(text if isinstance(text, bytes) else text.encode())


def label(pixels):
    return lambda root: save(root / "annotations/validation/ADE_val_1.png", pixels)


CHALLENGE = {  # name: (what is done, words that the error must hold)
    "no table": (lambda root: (root / "objectInfo150.txt").unlink(), "objectInfo150"),
    "an empty table": (table(""), "objectInfo150"),
    "a table that is not utf-8": (table(b"Idx\tName\n1\t\xff\xfe\n"), "objectInfo150"),
    "only a head": (table("Idx\tName\n"), "objectInfo150"),
    "no column Idx": (table("Number\tName\n1\twall\n"), "row 2"),
    "no column Name": (table("Idx\tTitle\n1\twall\n"), "row 2"),
    "an Idx in words": (table("Idx\tName\none\twall\n"), "row 2"),
    "an Idx of 0": (table("Idx\tName\n0\twall\n"), "row 2"),
    "an Idx above a byte": (table("Idx\tName\n256\twall\n"), "row 2"),
    "an Idx twice": (table("Idx\tName\n1\twall\n1\tsky\n"), "row 3"),
    "a Name twice": (table("Idx\tName\n1\twall\n2\twall\n"), "row 3"),
    "a Stuff of words": (table("Idx\tStuff\tName\n1\tperhaps\twall\n"), "row 2"),
    "no Name": (table("Idx\tName\n1\t\n"), "row 2"),
    "a short row": (table("Idx\tName\n1\n"), "row 2"),
    "a mapping of words": (lambda root: (root / "categoryMapping.txt").write_text("1 wall\n"), "categoryMapping"),
    "a mapping of one column": (lambda root: (root / "categoryMapping.txt").write_text("1\n"), "categoryMapping"),
    "no photos": (lambda root: (root / "images").rename(root / "x"), "images"),
    "no maps": (lambda root: (root / "annotations").rename(root / "x"), "annotations"),
    "no map of a photo": (lambda root: (root / "annotations/validation/ADE_val_1.png").rename(root / "x"), "ADE_val_1"),
    "a map of words": (lambda root: (root / "annotations/validation/ADE_val_1.png").write_text("hello"), "ADE_val_1"),
    "a map in colour": (label(np.zeros((4, 6, 3))), "ADE_val_1.png"),
    "a map of another size": (label(LABELS[:3]), "ADE_val_1"),
    "ids that the table lacks": (label(LABELS + 3), "complete the class list"),
}


@pytest.mark.parametrize(("damage", "word"), CHALLENGE.values(), ids=CHALLENGE)
def test_a_damaged_challenge_is_told(challenge, told, damage, word):
    damage(challenge)
    said = told(lambda: challenged(challenge))
    assert any(word in one for one in said), said


def test_a_map_of_unknown_ids_alone_is_no_photo_without_classes(challenge, refused):
    save(challenge / "annotations/validation/ADE_val_1.png", LABELS * 0 + 200)
    record = next(challenged(challenge).images())
    assert record.class_names is None
    refused(record.load, "ADE_val_1.png", "200", "map and table of one challenge")
