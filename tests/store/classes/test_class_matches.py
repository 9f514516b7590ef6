"""Decisions about names: the newest holds, earlier ones stay, what was rejected is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from retclip.errors import RetCLIPError
from retclip.names import MatchKind
from retclip.store.classes.class_matches import decisions, history, record
from retclip.store.feature_store import FeatureStore
from retclip.store.records import ClassMatch, Decisions
from retclip.store.sql.engine import transaction
from retclip.store.states import Decision

TEXT = ClassMatch("Lorry", "car", MatchKind.TEXT, 0.95, similarity=0.97, encoder="e" * 16, decided_by="retclip")


@pytest.fixture
def store(light_work, made) -> FeatureStore:
    store = light_work.open()
    made.commit(store, made.unit(1))
    return store


def write(store: FeatureStore, *matches: ClassMatch) -> list[int]:
    return [store._catalog.edit(record, one) for one in matches]


def read(store: FeatureStore, query: str | None = None) -> list[ClassMatch]:
    with transaction(store.engine) as connection:
        return history(connection, query)


def test_a_decision_comes_back_as_it_was_written(store: FeatureStore) -> None:
    (number,) = write(store, replace(TEXT, source="world:x", reason="ünsure"))
    (found,) = read(store, "  LORRY ")
    category = next(one.id for one in store.classes.all() if one.name == "car")
    assert found == replace(TEXT, source="world:x", reason="ünsure", id=number, at=found.at, category=category)
    assert found.at.utcoffset().total_seconds() == 0 and found.holds and not found.is_fill


def test_a_later_decision_takes_the_place_of_the_newest_of_that_name(store: FeatureStore) -> None:
    mapped = replace(TEXT, query="lorry", matched="road", how=MatchKind.MAP, decision=Decision.ACCEPTED)
    other = replace(TEXT, query="van")
    first, _, second = write(store, TEXT, other, mapped)
    assert [(one.id, one.supersedes) for one in read(store, "lorry")] == [(first, None), (second, first)]
    found = store.matches.decisions()
    assert found.newest["lorry"].matched == "road" and found.newest["van"].matched == "car"
    assert set(found.newest) == {"lorry", "van"} and found.rejected == {}


def test_what_was_rejected_stays_so_until_somebody_accepts_that_very_pair(store: FeatureStore) -> None:
    missing = ClassMatch("lorry", "car", MatchKind.MISSING, 0.95, "world")
    fill = ClassMatch("lorry", "Truck", MatchKind.EXACT, 0.95, "world", decision=Decision.REJECTED)
    write(store, replace(TEXT, decision=Decision.REJECTED), fill, missing)
    found = store.matches.decisions()
    category = next(one.id for one in store.classes.all() if one.name == "car")
    assert found.newest["lorry"].how is MatchKind.MISSING and not found.newest["lorry"].holds
    assert found.barred_categories("lorry") == {category}
    assert (found.barred_names("lorry", "world"), found.barred_names("lorry", "moon")) == ({"truck"}, set())
    write(store, replace(TEXT, decision=Decision.ACCEPTED))
    found = store.matches.decisions()
    assert (found.barred_categories("lorry"), found.barred_names("lorry", "world")) == (set(), {"truck"})


def test_a_class_is_followed_through_renames_and_merges(store: FeatureStore) -> None:
    write(store, TEXT, replace(TEXT, query="x", matched="nobody"), replace(TEXT, query="y", dataset="world"))
    store.classes.rename("car", "auto", "ann")
    store.classes.merge("auto", "road", "ann")
    road = next(one.id for one in store.classes.all() if one.name == "road")
    assert [one.category for one in read(store)] == [road, None, None], "one of a data set is no class of the store"


def test_rounding_cannot_leave_the_range_of_a_cosine(store: FeatureStore) -> None:
    write(store, replace(TEXT, similarity=1.0000001))
    assert read(store)[0].similarity == 1.0


@pytest.mark.parametrize(
    "change",
    ["how = 'guess'", "decision = 'perhaps'", "threshold = 2", "similarity = -1.5", "matched = ''", "run_id = 99",
     "event_id = 99", "supersedes_id = id"],
)  # fmt: skip
def test_the_database_itself_refuses_what_cannot_be(store: FeatureStore, made, change: str) -> None:
    write(store, TEXT)
    with pytest.raises(RetCLIPError):
        made.change(store, f"UPDATE class_match SET {change}")
    assert [(one.how, one.decision, one.matched) for one in read(store)] == [("text", "auto", "car")]


def test_two_decisions_cannot_take_the_place_of_one(store: FeatureStore) -> None:
    first, _ = write(store, TEXT, TEXT)
    write(store, replace(TEXT, query="van"))
    with pytest.raises(RetCLIPError), transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE class_match SET supersedes_id = :n WHERE query = 'van'"), {"n": first})


def test_without_decisions_nothing_holds_and_nothing_is_barred(store: FeatureStore) -> None:
    with transaction(store.engine) as connection:
        assert decisions(connection) == Decisions()
    assert Decisions().barred_categories("x") == set() == Decisions().barred_names("x", "world")
