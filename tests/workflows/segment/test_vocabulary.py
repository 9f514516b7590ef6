"""From the user's names to the store's classes: what matches, what is missing, and what a classifier needs."""

import logging
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from retclip.config_sections import MatchingSection
from retclip.errors import ConfigError, DataError, NamesTooLong, SpaceMismatch
from retclip.names import MatchKind
from retclip.plugin import NEIGHBOURS, TEXT
from retclip.store.records import ClassMatch, Decisions, StoreClass
from retclip.types import REST, Vocabulary
from retclip.workflows.segment.describe_image import text_of
from retclip.workflows.segment.vocabulary import (
    compares_text,
    matches_with,
    missing,
    needs_neighbours,
    prepare,
    rest_of,
)

STORED = [
    StoreClass(3, "car", True, ("automobile",), 5, 2),
    StoreClass(1, "sky", False, (), 9, 3),
    StoreClass(7, "ghost", True, (), 0, 0),
    StoreClass(9, "thing nobody described", None, (), 1, 1),
]


@pytest.fixture
def parts(kit):
    return kit.parts(kit.StoredNames(STORED), classifiers=[kit.Classifier([[1.0]])])


def names(*given, things=None, synonyms=()):
    return Vocabulary(given, things or (True,) * len(given), synonyms)


def test_without_names_every_class_that_has_segments_is_asked_for(parts):
    found = prepare(parts, None)
    assert found.vocabulary.names == ("car", "sky", "thing nobody described")
    assert found.vocabulary.is_thing == (True, False, True)
    assert found.store_classes == (3, 1, 9)
    assert missing(found) == ()


def test_an_empty_store_without_names_says_what_to_do(kit):
    parts = kit.parts(kit.StoredNames(STORED[2:3]), classifiers=[kit.Classifier([[1.0]])])
    with pytest.raises(ConfigError, match="store is empty; name them: --classes"):
        prepare(parts, None)
    assert prepare(parts, names("car")).store_classes == (None,)


def test_the_users_order_and_spelling_stay_and_where_nobody_says_the_store_says_what_is_countable(parts):
    found = prepare(parts, names("  SKY", "Car", "unicorn", things=(None, None, None)))
    assert found.vocabulary.names == ("  SKY", "Car", "unicorn")
    assert found.store_classes == (1, 3, None)
    assert found.vocabulary.is_thing == (False, True, True)
    assert prepare(parts, names("sky", "car", things=(True, False))).vocabulary.is_thing == (True, False)
    found = prepare(parts, names("SKY", "Car"))
    assert {match.how for match in found.matches} == {MatchKind.EXACT}


def test_where_the_store_does_not_say_the_user_decides(parts):
    assert prepare(parts, names("thing nobody described", things=(False,))).vocabulary.is_thing == (False,)
    assert prepare(parts, names("unicorn", things=(False,))).vocabulary.is_thing == (False,)


def test_synonyms_of_either_side_match(parts):
    found = prepare(parts, names("automobile", "heaven", synonyms=((), ("firmament", "Sky"))))
    assert found.store_classes == (3, 1)
    assert [match.how for match in found.matches] == [MatchKind.SYNONYM] * 2


def test_what_the_store_does_not_have_is_missing_with_the_nearest_name(parts):
    found = prepare(parts, names("car", "skyy", "qqq"))
    assert found.store_classes == (3, None, None)
    assert [(match.name, match.nearest) for match in missing(found)] == [("skyy", "sky"), ("qqq", None)]


def test_every_term_gets_a_text_vector_where_the_backbone_can_read(parts, kit, monkeypatch):
    assert prepare(parts, names("car")).vocabulary.text is None
    asked = []
    monkeypatch.setattr(kit.Backbone, "text_vectors", lambda _, terms: asked.append(terms) or torch.eye(len(terms), 3))
    found = prepare(parts, names("car", "sky", synonyms=(("auto",), ())))
    assert asked == [("car", "auto", "sky")]
    assert found.vocabulary.text.shape == (3, 3)
    assert found.vocabulary.row_class.tolist() == [0, 0, 1]


def test_what_is_called_otherwise_is_matched_by_its_text_above_the_threshold(parts, kit, monkeypatch):
    """Two names with a cosine of 0.96 and two with 0.8; only what is still missing makes the store's names be read."""
    angles = {"car": 0.0, "auto": math.acos(0.96), "sky": 2.0, "air": 2.0 + math.acos(0.8)}
    asked = []

    def text_vectors(_, terms):
        asked.append(tuple(terms))
        return torch.tensor([[math.cos(a), math.sin(a), 0.0] for a in (angles.get(term, 4.0) for term in terms)])

    monkeypatch.setattr(kit.Backbone, "text_vectors", text_vectors)
    found = prepare(parts, names("auto", "air"))
    assert found.store_classes == (3, None)
    assert [match.how for match in found.matches] == [MatchKind.TEXT, MatchKind.MISSING]
    assert found.matches[0].similarity == pytest.approx(0.96)
    assert (found.matches[1].nearest, round(found.matches[1].similarity, 3)) == ("sky", 0.8)
    assert asked == [("auto", "air"), ("car", "sky", "thing nobody described")]
    asked.clear()
    prepare(parts, names("car"))
    assert asked == [("car",)]


def test_a_classifier_that_reads_needs_a_backbone_that_reads(kit):
    reader = kit.loaded("stub.reader", kit.Classifier([[1.0]]), needs={TEXT})
    parts = kit.parts(kit.StoredNames(STORED), classifiers=[reader])
    with pytest.raises(ConfigError, match=r"gives stub\.reader its text; got stub\.colour, which has no text tower"):
        prepare(parts, names("car"))


def test_a_search_is_needed_only_where_a_classifier_votes_with_the_store(kit):
    table = kit.loaded("stub.table", kit.Classifier([[1.0]]))
    voter = kit.loaded("stub.vote", kit.Classifier([[1.0]]), needs={NEIGHBOURS})
    assert not needs_neighbours(kit.parts(None, classifiers=[table]))
    assert needs_neighbours(kit.parts(None, classifiers=[table, voter]))


def test_vectors_of_another_space_are_refused_only_where_a_classifier_votes_with_them(fresh, kit, tmp_path):
    fresh.build(f"reference.scenes:{tmp_path / 'scenes'}?count=1&width=96&height=64", ["sky"])
    table = kit.loaded("stub.table", kit.Classifier([[1.0]]))
    voter = kit.loaded("stub.vote", kit.Classifier([[1.0]]), needs={NEIGHBOURS})
    assert prepare(kit.parts(fresh.store, classifiers=[table]), names("sky")).store_classes != (None,)
    with pytest.raises(SpaceMismatch, match=r"use --backbone reference\.colour_texture"):
        prepare(kit.parts(fresh.store, classifiers=[table, voter]), names("sky"))


def test_the_engine_prepares_once_and_again_after_the_store_has_changed(fresh, tmp_path):
    source = f"reference.scenes:{tmp_path / 'scenes'}?count=1&width=96&height=64"
    fresh.build(source, ["sky"])
    first = fresh.prepare("sky, grass")
    assert fresh.prepare(["sky", "grass"]) is first
    assert [match.name for match in missing(first)] == ["grass"]
    fresh.classes.add("grass", source)
    assert missing(fresh.prepare("sky, grass")) == ()


def decided(kit, *matches, rejected=()):
    """Parts over a store with these decisions."""
    found = Decisions({one.key: one for one in matches}, {one.key: [one] for one in rejected})
    store = kit.StoredNames(STORED, found)
    return kit.parts(store, classifiers=[kit.Classifier([[1.0]])])


def said(query, matched, how, category, **more):
    return ClassMatch(query, matched, how, 0.95, category=category, **{"decision": "accepted", **more})


def test_a_person_s_map_counts_before_every_rule_as_long_as_the_class_has_segments(kit):
    parts = decided(kit, said("car", "sky", MatchKind.MAP, 1), said("sky", "ghost", MatchKind.MAP, 7))
    found = prepare(parts, names("CAR", "sky", "automobile"))
    assert found.store_classes == (1, 1, 3)
    assert [match.how for match in found.matches] == [MatchKind.MAP, MatchKind.EXACT, MatchKind.SYNONYM]


def test_an_accepted_match_stays_without_text_and_gives_way_to_a_class_of_the_very_name(kit):
    mine = said("cab", "car", MatchKind.TEXT, 3, similarity=0.97)
    found = prepare(decided(kit, mine, said("sky", "car", MatchKind.TEXT, 3, similarity=0.96)), names("cab", "sky"))
    assert found.store_classes == (3, 1)
    assert (found.matches[0].how, found.matches[0].similarity) == (MatchKind.TEXT, 0.97)
    automatic = prepare(decided(kit, said("cab", "car", MatchKind.TEXT, 3, decision="auto")), names("cab"))
    assert [match.name for match in missing(automatic)] == ["cab"], "the rule decides each time"


def test_a_rejected_match_makes_the_class_missing_again(kit, monkeypatch):
    rejected = said("automobile", "car", MatchKind.SYNONYM, 3, decision="rejected")
    assert [one.name for one in missing(prepare(decided(kit, rejected=[rejected]), names("automobile")))] == [
        "automobile"
    ]
    text = said("auto", "car", MatchKind.TEXT, 3, decision="rejected")
    monkeypatch.setattr(kit.Backbone, "text_vectors", lambda _, terms: torch.eye(3)[[0] * len(terms)])
    found = prepare(decided(kit, text, rejected=[text]), names("auto", "cab"))
    assert [match.store_class for match in found.matches] == ["sky", "car"], "the next one is as near here"


def test_a_class_that_was_fetched_says_from_where(kit):
    fill = said("Car", "Automobile", MatchKind.TEXT, None, dataset="world", similarity=0.96, decision="auto")
    (match,) = prepare(decided(kit, fill), names("car")).matches
    wanted = ("car", MatchKind.FALLBACK, 0.96, "Automobile", "world")
    assert (match.store_class, match.how, match.similarity, match.nearest, match.dataset) == wanted
    gone = said("kayak", "Canoe", MatchKind.EXACT, None, dataset="world")
    (match,) = prepare(decided(kit, gone), names("kayak", synonyms=(("sky",),))).matches
    assert match.how is MatchKind.SYNONYM, "another class stands for it, which nobody fetched"


def test_a_class_without_segments_neither_hides_a_synonym_nor_passes_for_support(parts):
    found = prepare(parts, names("ghost", synonyms=(("car",),)))
    assert (found.store_classes, found.matches[0].how) == ((3,), MatchKind.SYNONYM)
    assert [match.name for match in missing(prepare(parts, names("ghost")))] == ["ghost"]


def test_two_names_of_one_class_are_refused_wherever_the_vocabulary_comes_from(parts):
    with pytest.raises(DataError, match="'sky' and 'SKY', which are one name"):
        prepare(parts, names("sky", "car", "SKY"))


def test_a_stored_class_that_the_backbone_cannot_read_whole_is_matched_by_spelling_and_costs_no_other(kit, caplog):
    """The fourth class of the store has a name that is too long for the backbone's text tower."""

    def text_vectors(some):
        if long := [name for name in some if len(name) > 12]:
            error = NamesTooLong("short names", "a long one", "shorten it")
            error.names = tuple(long)
            raise error
        return F.normalize(torch.tensor([[1.0, float("auto" in name), 0.1] for name in some]), dim=-1)

    parts = kit.parts(kit.StoredNames(STORED), classifiers=[kit.Classifier([[1.0]])])
    parts.backbone.component.text_vectors = text_vectors
    with caplog.at_level(logging.WARNING):
        found = prepare(parts, names("autos", "heavens"))
    assert [(one.how, one.store_class) for one in found.matches] == [(MatchKind.MISSING, None), (MatchKind.TEXT, "car")]
    assert "matched by their spelling alone" in caplog.text
    with pytest.raises(NamesTooLong):
        prepare(parts, names("thing nobody described"))


@pytest.mark.parametrize(
    ("of_backbone", "setting", "matched"),
    [
        (0.95, "backbone", "Young dog"),  # their cosine is 0.97
        (0.98, "backbone", None),
        (None, "backbone", None),
        (None, 0.9, "Young dog"),
        (0.95, 1.0, None),
    ],
)
def test_names_match_by_text_above_what_the_user_says_or_else_the_backbone(world, of_backbone, setting, matched):
    backbone = replace(world.parts.backbone, text_threshold=of_backbone)
    settings = world.parts.settings.model_copy(update={"matching": MatchingSection(threshold=setting)})
    parts = replace(world.parts, backbone=backbone, settings=settings, store=None)
    vocabulary = replace(names("puppy"), text=text_of(backbone, ["puppy"]))
    (match,) = matches_with(parts, vocabulary, {"car": (), "Young dog": ()}, {})
    assert match.store_class == matched
    assert (match.similarity > 0) is compares_text(parts, vocabulary), "texts that cannot match are not compared"


def test_what_is_stored_and_not_asked_competes_as_one_class_more(kit):
    rows = [*STORED, StoreClass(4, "auto", True, ("saloon",), 2, 1)]
    parts = kit.parts(kit.StoredNames(rows), classifiers=[kit.Classifier([[1.0]])])
    assert prepare(parts, names("sky")).scored.names == ("sky",), "off by default"
    segment = parts.settings.segment.model_copy(update={"unasked": "compete"})
    parts = replace(parts, settings=parts.settings.model_copy(update={"segment": segment}))
    found = prepare(parts, names("sky", "van", synonyms=((), ("Saloon",)), things=(None, None)))
    assert found.vocabulary.names == ("sky", "van") and found.store_classes == (1, 4)
    assert found.scored.names == ("sky", "van", REST) and found.scored.has_rest and found.scored.asked == 2
    assert found.scored.synonyms == ((), ("Saloon",), ("car", "thing nobody described")) and found.rest == (3, 9)
    assert found.scored.is_thing == (False, True, False)
    found = prepare(parts, names("sky", "car", synonyms=((), ("auto",))))
    assert found.rest == (9,), "a class that is spelled like a synonym may be what is meant"
    assert found.other_classes == (9, 4)
    everything = prepare(parts, None)
    assert everything.scored is everything.vocabulary and everything.rest == ()


def test_a_class_whose_text_is_near_to_a_name_does_not_compete(kit, monkeypatch):
    rows = {"sky": (1.0, 0.0), "car": (0.0, 1.0), "ghost": (0.6, 0.8), "thing nobody described": (0.96, 0.28)}
    table = torch.tensor(list(rows.values()))
    read = lambda backbone, terms: table[[list(rows).index(term) for term in terms]]  # noqa: E731
    monkeypatch.setattr("retclip.workflows.segment.vocabulary.text_of", read)
    parts = kit.parts(kit.StoredNames(STORED), classifiers=[kit.Classifier([[1.0]])])
    vocabulary = replace(names("sky"), text=table[:1])
    others = [STORED[0], STORED[3]]
    assert [row.name for row in rest_of(parts, vocabulary, others)] == ["car"], "0.96 is above 0.95"
    alike = parts.settings.model_copy(update={"matching": MatchingSection(threshold=1.0)})
    assert len(rest_of(replace(parts, settings=alike), vocabulary, others)) == 2
