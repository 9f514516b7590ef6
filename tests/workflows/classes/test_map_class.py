"""A person says which class stands for a name: of the store, or of the fallback data set, whatever was decided."""

import pytest

from retclip.errors import DataError
from retclip.names import MatchKind
from retclip.types import Vocabulary
from retclip.workflows.classes.map_class import map_class
from retclip.workflows.segment.vocabulary import prepare


def stands_for(world, name):
    (found,) = prepare(world.parts, Vocabulary((name,), (None,))).matches
    return found.store_class, found.how


def mapped(world, query, name):
    return map_class(world.filling(), query, name, "ann", "I know")


def test_a_class_of_the_store_stands_for_a_name_also_under_its_later_name(world):
    (told,) = mapped(world, "taxi", "CAR").outcomes
    assert (told.state, told.matched, told.how) == ("matched", "car", "map") and world.opened == []
    assert stands_for(world, "Taxi") == ("car", MatchKind.MAP)
    (row,) = world.rows("taxi")
    assert (row.decision, row.decided_by, row.reason) == ("accepted", "ann", "I know")
    world.parts.store.classes.rename("car", "motor car", "ann")
    assert stands_for(world, "taxi") == ("motor car", MatchKind.MAP)


def test_it_goes_before_a_class_of_the_very_name_and_can_be_rejected(world):
    mapped(world, "car", "sofa")
    assert stands_for(world, "car") == ("sofa", MatchKind.MAP)
    world.parts.store.matches.reject("car", "bob")
    assert stands_for(world, "car") == ("car", MatchKind.EXACT)


def test_a_class_of_the_fallback_is_fetched_under_the_name(world):
    report = mapped(world, "dragon", "boat")
    (told,) = report.outcomes
    assert (told.state, told.matched, told.images, told.segments) == ("filled", "Boat", 3, 3)
    assert stands_for(world, "dragon") == ("dragon", MatchKind.FALLBACK) and world.stored()["dragon"] == 3


def test_mapping_takes_the_place_of_a_fill(world):
    world.fill("bike")
    mapped(world, "bike", "Horse")
    rows = world.rows("bike")
    assert world.stored()["bike"] == 3 and [one.matched for one in rows] == ["Bicycle", "Horse"]
    mapped(world, "bike", "sofa")
    assert "bike" not in world.stored() and stands_for(world, "bike") == ("sofa", MatchKind.MAP)
    assert [one.decision for one in world.rows("bike")] == ["auto", "accepted", "accepted"]
    before = len(world.source.loaded)
    assert [one.state for one in world.fill("bike").outcomes] == ["matched"] and len(world.source.loaded) == before


def test_what_cannot_be_is_refused_and_nothing_changes(world):
    with pytest.raises(DataError, match=r"a class of the store or of world:; got 'Hors'; did you mean 'Horse'"):
        mapped(world, "pony", "Hors")
    with pytest.raises(DataError, match="has no segments of; got 'car', which it has"):
        mapped(world, "car", "Boat")
    with pytest.raises(DataError, match="1 to 200"):
        mapped(world, " ", "Boat")
    world.fill("bike")
    with pytest.raises(DataError, match="which was filled as that"):
        mapped(world, "bike", "bike")
    assert [one.how for one in world.rows()] == [MatchKind.TEXT] and world.stored()["bike"] == 3


def test_without_a_fallback_data_set_only_the_store_is_asked(world):
    settings = world.settings().model_copy(update={"fallback": type(world.settings().fallback)()})
    from dataclasses import replace

    world.parts = replace(world.parts, settings=settings)
    with pytest.raises(DataError, match=r"no fallback.source is set\); got 'Boat'"):
        mapped(world, "dragon", "Boat")
