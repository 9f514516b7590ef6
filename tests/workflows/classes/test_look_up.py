"""Names looked up for a fill: by the same rule in both places, one row each, and not again without a reason."""

from dataclasses import replace

from retclip.config_sections import MatchingSection
from retclip.names import MatchKind
from retclip.types import Vocabulary
from retclip.workflows.classes.look_up import look_up
from retclip.workflows.segment.vocabulary import prepare


def looked_up(world, vocabulary, again=False):
    world.opened.clear()
    look_up(world.filling(), prepare(world.parts, vocabulary), again)
    return [(one.query, str(one.how), one.matched, one.dataset) for one in world.rows()]


def test_what_another_class_of_the_store_stands_for_is_written_down_and_nothing_opened(world):
    found = looked_up(world, Vocabulary(("automobile", "sofa"), (None, None), (("car",), ())))
    assert (found, world.opened) == ([("automobile", "synonym", "car", "")], [])
    assert looked_up(world, Vocabulary(("automobile",), (None,), (("car",),))) == found, "once"


def test_the_order_is_name_synonym_text_and_below_the_threshold_the_nearest(world):
    assert looked_up(world, world.vocabulary("Tractor", "settee", "bike", "canoes", "dragon"))[:4] == [
        ("Tractor", "exact", "tractor", "the world"), ("settee", "synonym", "Chesterfield", "the world"),
        ("bike", "text", "Bicycle", "the world"), ("canoes", "missing", "Boat", "the world"),
    ]  # fmt: skip
    assert [one.similarity is None for one in world.rows()] == [True, True, False, False, False]
    assert world.source.loaded == [], "to look a name up no photo is read"


def test_what_is_missing_is_asked_again_where_the_rule_changed_or_somebody_says_so(world):
    asked = world.vocabulary("unicorn")
    assert looked_up(world, asked) == [("unicorn", "missing", "Horse", "the world")] and world.opened
    looked_up(world, asked)
    assert world.opened == []
    assert len(looked_up(world, asked, again=True)) == 1 and world.opened, "the same answer is no new decision"
    settings = world.parts.settings.model_copy(update={"matching": MatchingSection(threshold=0.5)})
    world.parts = replace(world.parts, settings=settings)
    assert looked_up(world, asked)[1:] == [("unicorn", "text", "Horse", "the world")]
    assert [one.supersedes for one in world.rows()] == [None, world.rows()[0].id]


def test_what_was_rejected_is_not_proposed_again(world):
    asked = Vocabulary(("bike",), (None,), (("truck",),))  # a synonym of the user's is tried before the text
    assert looked_up(world, asked)[-1] == ("bike", "synonym", "Truck", "the world")
    world.parts.store.matches.reject("bike", "ann")
    assert looked_up(world, asked)[-1] == ("bike", "text", "Bicycle", "the world")
    world.parts.store.matches.reject("bike", "ann")
    last = looked_up(world, asked)[-1]
    assert last[1] == "missing" and last[2] not in ("Truck", "Bicycle")
    assert [one.how for one in world.rows("bike") if one.decision == "rejected"] == [MatchKind.SYNONYM, MatchKind.TEXT]


def test_a_fill_under_way_is_not_decided_anew(world):
    asked = world.vocabulary("bike")
    first = looked_up(world, asked)
    assert looked_up(world, asked, again=True) == first and world.opened == []


def test_a_name_that_was_merged_away_is_not_missing(world):
    world.parts.store.classes.merge("car", "sofa", "ann")
    assert looked_up(world, world.vocabulary("car")) == [("car", "synonym", "sofa", "")] and world.opened == []
