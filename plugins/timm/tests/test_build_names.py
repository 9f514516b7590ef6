"""Names by a small WordNet in its own file formats: closure, senses, choices, plurals."""

import pytest
from retclip_timm.build_names import ANIMAL, rows_of
from retclip_timm.wordnet import VISIBLE, read_wordnet

ROOT, ANIMALS = VISIBLE[1:], ANIMAL[1:]
DATA = f"""  1 This is the licence, set off by two spaces.
{ROOT} 03 n 01 physical_entity 0 000 | what exists
{ANIMALS} 03 n 02 animal 0 beast 0 001 @ {ROOT} n 0000 | lives
00000010 05 n 01 dog 0 001 @ {ANIMALS} n 0000 | barks
00000011 05 n 02 basset 0 basset_hound 0 001 @ 00000010 n 0000 | is low
00000012 05 n 01 Rex 0 001 @i 00000010 n 0000 | one of them
00000013 05 n 01 poodle 0 001 @ 00000010 n 0000 | is curly
00000020 06 n 01 kite 0 001 @ {ROOT} n 0000 | plaything
00000021 05 n 01 kite 1 001 @ {ANIMALS} n 0000 | bird
00000030 06 n 01 wall 0 001 @ {ROOT} n 0000 | stands
00000031 06 n 02 stone_wall 0 wall 1 001 @ 00000030 n 0000 | of stone
00000040 06 n 01 box 0 001 @ {ROOT} n 0000 | holds
00000041 06 n 01 boxes 0 001 @ {ROOT} n 0000 | a fight
00000050 10 n 01 idea 0 000 | cannot be seen
"""
INDEX = f"""  1 licence
animal n 1 0 1 0 {ANIMALS}
dog n 1 0 1 0 00000010
basset n 1 0 1 0 00000011
basset_hound n 1 0 1 0 00000011
rex n 1 0 1 0 00000012
poodle n 2 0 2 0 00000050 00000013
kite n 2 0 2 0 00000020 00000021
wall n 2 0 2 0 00000030 00000031
stone_wall n 1 0 1 0 00000031
box n 1 0 1 0 00000040
boxes n 1 0 1 0 00000041
"""
CLASSES = {"n00000011": 0, "n00000013": 1, "n00000021": 2, "n00000031": 3, "n00000040": 4}


@pytest.fixture
def wordnet(tmp_path):
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    (tmp_path / "noun.exc").write_text("doggen dog\n")
    return read_wordnet(tmp_path, CLASSES)


def table(wordnet, *choices):
    given = [dict(zip(("noun", "of", "without", "why"), choice, strict=True)) for choice in choices]
    return {name: (rule, sorted(classes), why) for name, rule, classes, why in rows_of(wordnet, given)}


def test_a_class_has_its_names_and_a_kind_of_animal_those_below_it(wordnet):
    found = table(wordnet)
    assert found["basset hound"] == ("own", [0], "")
    assert found["dog"] == ("below", [0, 1], "")
    assert found["animal"] == ("below", [0, 1, 2], "")
    assert found["poodle"] == ("own", [1], ""), "an idea of that name cannot be seen"
    assert found["doggen"] == ("plural", [0, 1], "of dog")
    assert "rex" not in found, "one dog is no kind of dog"


def test_the_first_visible_meaning_counts(wordnet):
    found = table(wordnet)
    assert "kite" not in found, "a plaything first"
    assert "wall" not in found, "its first meaning is no class, and things are not named from below"
    assert found["stone wall"] == ("own", [3], "")


def test_a_word_of_its_own_that_ends_like_a_plural_is_not_known(wordnet):
    assert table(wordnet)["boxes"] == ("unknown", [], "a word of its own")


def test_choices_add_take_away_and_refuse(wordnet):
    found = table(
        wordnet,
        ("kite", "kite:bird", "", "the bird"),
        ("pet", "dog;box", "poodle", ""),
        ("dog", "", "", "not today"),
    )
    assert found["kite"] == ("chosen", [2], "the bird")
    assert found["pet"] == ("chosen", [0, 4], "")
    assert found["dog"] == ("unknown", [], "not today")


@pytest.mark.parametrize("term", ["quokka", "dog:cat", "rex"])
def test_a_choice_that_means_no_synset_with_classes_is_refused(wordnet, term):
    with pytest.raises(ValueError, match="expected one synset"):
        table(wordnet, ("pet", term, "", ""))
