"""Which of ImageNet's classes a name stands for: the shipped table against timm's own list, and plurals."""

import csv

import pytest
from retclip_timm.class_names import CHOICES, TABLE, classes_of, number_ranges, numbers_in, singulars
from timm.data import ImageNetInfo

INFO = ImageNetInfo()


def described(name):
    return [INFO.index_to_description(number) for number in classes_of(name).classes]


def rows(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(
    ("name", "some", "count"),
    [
        ("espresso", {"espresso"}, 1),
        ("Dog", {"Chihuahua", "golden retriever", "dhole, Cuon alpinus"}, None),
        ("dog", {"Chihuahua", "golden retriever"}, 118),
        ("cat", {"tabby, tabby cat", "Egyptian cat"}, 5),
        ("bicycle", {"mountain bike, all-terrain bike, off-roader"}, 2),
        ("terrier", {"Airedale, Airedale terrier"}, None),
        ("tv", {"television, television system"}, 1),
        ("cell phone", {"cellular telephone, cellular phone, cellphone, cell, mobile phone"}, 1),
        ("dining table", {"dining table, board"}, 1),
        ("mouse", {"mouse, computer mouse"}, 1),
        ("crane", {"crane"}, 2),
    ],
)
def test_a_name_stands_for_what_timm_says_these_classes_are(name, some, count):
    names = described(name)
    if name == "Dog":
        assert "dhole, Cuon alpinus" not in names, "a wild dog is not below WordNet's dog"
        some = some - {"dhole, Cuon alpinus"}
    assert some <= set(names)
    assert count is None or len(names) == count


@pytest.mark.parametrize(
    ("name", "not_one_of_them"),
    [("dog", "hotdog, hot dog, red hot"), ("bed", "studio couch, day bed"), ("fence", "stone wall"),
     ("fruit", "acorn"), ("cat", "lynx, catamount"), ("oven", "Dutch oven"),
     ("ball", "punching bag, punch bag, punching ball, punchball")],
)  # fmt: skip
def test_what_wordnet_s_tree_would_mislead_to_is_left_out(name, not_one_of_them):
    assert not_one_of_them in [INFO.index_to_description(number) for number in range(1000)]
    assert not_one_of_them not in described(name)


@pytest.mark.parametrize("name", ["person", "sky", "kite", "bat", "drumstick", "nail", "glasses", "building", "wall"])
def test_a_name_that_must_not_be_known_has_no_class_and_a_reason(name):
    assert classes_of(name).classes == ()
    assert classes_of(name).why


def test_of_other_names_nothing_is_said():
    assert classes_of("quokka") is None
    assert classes_of("") is None


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("dogs", "dog"), ("buses", "bus"), ("boxes", "box"), ("wolves", "wolf"), ("geese", "goose"), ("mice", "mouse"),
     ("Hot Dogs", "hot dog"), ("cherries", "cherry"), ("benches", "bench"), ("clocks", "clock"), ("people", "person")],
)  # fmt: skip
def test_plurals_stand_for_what_their_singulars_do(plural, singular):
    one, many = classes_of(singular), classes_of(plural)
    assert (one is None and many is None) or one.classes == many.classes


def test_singulars_by_wordnet_s_rules():
    assert list(singulars("boxes")) == ["boxe", "box"]
    assert list(singulars("is")) == []
    assert "fireman" in list(singulars("firemen"))


@pytest.mark.parametrize(("numbers", "text"), [([3, 4, 5, 9], "3-5 9"), ([], ""), ([7], "7"), ([2, 1], "1-2")])
def test_numbers_as_text_and_back(numbers, text):
    assert number_ranges(numbers) == text
    assert list(numbers_in(text)) == sorted(numbers)


def test_every_row_is_of_the_list_and_sorted():
    table = rows(TABLE)
    assert [row["name"] for row in table] == sorted({row["name"] for row in table})
    assert all(0 <= number < 1000 for row in table for number in numbers_in(row["classes"]))
    nameless = set(range(1000)) - {number for row in table for number in numbers_in(row["classes"])}
    names = {INFO.index_to_description(number) for number in nameless}
    assert names == {"bow", "drumstick", "muzzle", "nail", "nipple", "wing"}, "their names stand for other things, too"
    assert all((row["rule"] == "unknown") is not bool(row["classes"]) for row in table)
    assert all(row["why"] for row in table if row["rule"] == "unknown")


def test_at_least_150_everyday_nouns_were_chosen_by_hand_and_stand_in_the_table():
    table = {row["name"]: row for row in rows(TABLE)}
    chosen = rows(CHOICES)
    assert len({row["noun"] for row in chosen}) == len(chosen)
    assert sum(bool(row["of"]) for row in chosen) >= 150
    assert all(bool(table[row["noun"]]["classes"]) is bool(row["of"]) for row in chosen)
