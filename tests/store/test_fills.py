"""What a fill has stored, over several runs, and its one event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.names import MatchKind
from retclip.store import reconcile
from retclip.store.class_edits import unpacked
from retclip.store.class_matches import ClassMatch, record
from retclip.store.engine import transaction
from retclip.store.events import history
from retclip.store.feature_store import FeatureStore
from retclip.store.fills import KIND, FillRuns, fill_runs, finish_fill, note
from retclip.store.undo import undo

FILL = ClassMatch("Boat", "Kayak", MatchKind.EXACT, 0.95, "world", "world:")


@pytest.fixture
def store(light_work, made) -> FeatureStore:
    store = light_work.open()
    made.commit(store, made.unit(1), made.unit(2))
    return store


@pytest.fixture
def fetched(made):
    """One run of the fill that stores the segments of an image."""

    def run(store: FeatureStore, number: int, known: bool = False, match: ClassMatch = FILL) -> int:
        opened = store.start_run(replace(made.plan(KIND), config=note(match, {"known": known})))
        store.commit(opened, [made.unit(number, classes=("boat",), annotation=f"a{number}")], {"boat": True})
        return opened.id

    return run


def runs(store: FeatureStore, match: ClassMatch = FILL) -> FillRuns:
    with transaction(store.engine) as connection:
        return fill_runs(connection, match)


def finish(store: FeatureStore) -> int:
    with transaction(store.engine, write=True) as connection:
        record(connection, FILL)
    newest = store.decisions().newest["boat"]
    with transaction(store.engine, write=True) as connection:
        return finish_fill(connection, newest, {"images": 2})


def test_the_runs_of_a_fill_are_those_of_its_name_class_and_data_set(store: FeatureStore, fetched) -> None:
    assert runs(store) == FillRuns((), {}, 0)
    first = fetched(store, 3, known=True)
    fetched(store, 5, match=replace(FILL, matched="Canoe"))
    second = fetched(store, 4)
    assert runs(store) == FillRuns((first, second), {"known": True}, 4)
    assert runs(store, replace(FILL, query=" boat ", matched="KAYAK")).ids == (first, second)
    assert runs(store, replace(FILL, dataset="moon")).ids == ()


def test_one_event_for_all_runs_and_one_undo(store: FeatureStore, made, fetched) -> None:
    others = made.ask(store, "SELECT id, rev FROM segment ORDER BY id")
    first, second = fetched(store, 3), fetched(store, 4)
    event = finish(store)
    with transaction(store.engine) as connection:
        (told,) = history(connection)
    after = told["after"]
    assert (told["id"], told["action"], told["target"], told["actor"]) == (event, "class.fill", "Boat", f"run {second}")
    assert (after["run"], after["runs"], after["segments"], after["images"]) == (second, [first, second], 4, 2)
    assert len(unpacked(after["made"])) == 4
    newest = store.decisions().newest["boat"]
    assert (newest.run, newest.event) == (second, event)
    assert store.edit(lambda connection: undo(connection, event, "ann")).segments == 4
    assert [one.name for one in store.classes()] == ["car", "road", "tree"]
    assert made.ask(store, "SELECT id, rev FROM segment WHERE prompt <> 'boat' ORDER BY id") == others
    assert made.ask(store, "SELECT count(*) FROM unit WHERE run_id IN (2, 3)") == [(0,)], "it may be fetched again"
    assert reconcile.differences(store.projection()).clean


def test_the_event_is_recorded_once(store: FeatureStore, fetched) -> None:
    fetched(store, 3)
    event = finish(store)
    ended = store.decisions().newest["boat"]
    fetched(store, 4)
    with transaction(store.engine, write=True) as connection:
        assert finish_fill(connection, ended, {}) == event
    with transaction(store.engine) as connection:
        assert len(history(connection)) == 1


def test_an_undo_rejects_the_fill_and_leaves_a_newer_decision_alone(store: FeatureStore, fetched) -> None:
    fetched(store, 3)
    event = finish(store)
    store.edit(lambda connection: undo(connection, event, "ann"))
    newest = store.decisions().newest["boat"]
    assert (newest.decision, newest.decided_by, newest.reason) == ("rejected", "ann", "the fill was undone")
    fetched(store, 3)
    event = finish(store)
    mapped = ClassMatch("boat", "car", MatchKind.MAP, 0.95, decision="accepted")
    store.edit(lambda connection: record(connection, mapped))
    store.edit(lambda connection: undo(connection, event, "ann"))
    assert store.decisions().newest["boat"].how is MatchKind.MAP
