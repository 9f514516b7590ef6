"""What a fill has stored, over several runs, and its one event."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

import pytest

from retclip.errors import StoreBusy
from retclip.names import MatchKind
from retclip.store.classes.class_matches import record
from retclip.store.classes.fills import KIND, count_held_photos, fill_runs, finish_fill, note
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.records import ClassMatch, FillRuns
from retclip.store.sql import engine
from retclip.store.sql.engine import transaction
from retclip.store.work import leases

FILL = ClassMatch("Boat", "Kayak", MatchKind.EXACT, 0.95, "world", "world:")


@pytest.fixture
def store(light_work, made) -> FeatureStore:
    store = light_work.open()
    made.commit(store, made.unit(1), made.unit(2))
    return store


@pytest.fixture
def fetched(made):
    """One run of the fill that stores the segments of an image."""

    def run(store: FeatureStore, number: int, match: ClassMatch = FILL) -> int:
        opened = store.runs.start(replace(made.plan(KIND), config=note(match)))
        store.runs.commit(opened, [made.unit(number, classes=("boat",), annotation=f"a{number}")], {"boat": True})
        return opened.id

    return run


def runs(store: FeatureStore, match: ClassMatch = FILL) -> FillRuns:
    with transaction(store.engine) as connection:
        return fill_runs(connection, match)


def finish(store: FeatureStore) -> int:
    with transaction(store.engine, write=True) as connection:
        record(connection, FILL)
    newest = store.matches.decisions().newest["boat"]
    with transaction(store.engine, write=True) as connection:
        return finish_fill(connection, newest)


def test_the_runs_of_a_fill_are_those_of_its_name_class_and_data_set(store: FeatureStore, fetched) -> None:
    assert runs(store) == FillRuns((), 0)
    first = fetched(store, 3)
    fetched(store, 5, match=replace(FILL, matched="Canoe"))
    second = fetched(store, 4)
    mine, other = store.classes.history()
    assert runs(store) == FillRuns((first, second), 4, mine.id)
    assert runs(store, replace(FILL, matched="Canoe")).event == other.id
    assert runs(store, replace(FILL, query=" boat ", matched="KAYAK")).ids == (first, second)
    assert runs(store, replace(FILL, dataset="moon")).ids == ()


def test_one_event_for_all_runs_and_one_undo(store: FeatureStore, made, fetched) -> None:
    others = made.ask(store, "SELECT id, rev FROM segment ORDER BY id")
    first, second = fetched(store, 3), fetched(store, 4)
    event = finish(store)
    (told,) = store.classes.history()
    assert (told.id, told.action, told.target, told.actor) == (event, "class.fill", "boat", f"run {first}")
    assert (told.runs, told.segments, told.dataset) == ((first, second), 4, "drawn")
    newest = store.matches.decisions().newest["boat"]
    assert (newest.run, newest.event) == (second, event)
    assert store.undo(event, "ann").segments == 4
    assert [one.name for one in store.classes.all()] == ["car", "road", "tree"]
    assert made.ask(store, "SELECT id, rev FROM segment WHERE prompt <> 'boat' ORDER BY id") == others
    assert made.ask(store, "SELECT count(*) FROM unit WHERE run_id IN (2, 3)") == [(0,)], "it may be fetched again"
    assert reconcile.differences(store.projection()).clean


def test_whoever_goes_on_speaks_under_the_same_event_until_it_is_undone(store: FeatureStore, made, fetched) -> None:
    fetched(store, 3)
    event = finish(store)
    ended = store.matches.decisions().newest["boat"]
    again = partial(store._catalog.edit, finish_fill, ended)
    assert again() == event
    fetched(store, 4)
    assert again() == event, "it answers for everything"
    assert store.undo(event, "ann").segments == 4
    fetched(store, 3)
    newer = again()
    assert newer == event + 2, "what came after the undo has an event of its own"
    assert store.undo(newer, "ann").segments == 2


def test_a_fill_that_found_nothing_has_ended_all_the_same(store: FeatureStore, made) -> None:
    run = store.runs.start(replace(made.plan(KIND), config=note(FILL)))
    store.runs.commit(run, [made.unit(3, classes=("boat",), per_class=0)], {})
    event = finish(store)
    assert store.matches.decisions().newest["boat"].event == event and store.undo(event, "ann").segments == 0


@pytest.fixture
def other_process(store: FeatureStore, fetched, made, monkeypatch):
    """Another process, which has stored one photo of the fill and holds another; to be called when it stops."""
    living = f"elsewhere/{os.getpid()}/1.0"
    with monkeypatch.context() as patch:
        patch.setattr(leases, "me", lambda: living)
        fetched(store, 3)
        run = store.runs.start(replace(made.plan(KIND), config=note(FILL)))
        store.runs.lease(run, [leases.Wanted("k", "4.jpg", "/4.jpg")])
    store._catalog.edit(record, FILL)

    def stop() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(leases, "me", lambda: living)
            store.runs.finish(run, "interrupted", {})

    return stop


def test_a_fill_has_not_ended_while_another_process_holds_a_photo_of_it(store: FeatureStore, other_process) -> None:
    newest = store.matches.decisions().newest["boat"]
    with transaction(store.engine) as connection:
        assert (count_held_photos(connection, newest), count_held_photos(connection, replace(FILL, query="x"))) == (
            1,
            0,
        )
    assert store.matches.end_fill(newest) is None
    assert store.matches.decisions().newest["boat"].event is None
    other_process()
    event = store.matches.end_fill(newest)
    assert store.matches.decisions().newest["boat"].event == event is not None


def test_a_photo_that_a_dead_process_held_is_nobodys(store: FeatureStore, other_process, made) -> None:
    made.change(store, "UPDATE unit SET leased_until = '2020-01-01 00:00:00' WHERE state = 'leased'")
    with transaction(store.engine) as connection:
        assert count_held_photos(connection, FILL) == 0


def test_a_fill_that_another_process_works_on_is_not_taken_back(
    store: FeatureStore, made, other_process, monkeypatch
) -> None:
    monkeypatch.setattr(engine, "TRIES", 1)
    before = made.ask(store, "SELECT id, status, rev FROM segment ORDER BY id")
    with pytest.raises(StoreBusy, match="another process is storing 1 photos of it; stop it or let it end"):
        store.matches.reject("boat", "ann")
    assert store.matches.decisions().newest["boat"].decision == "auto", "nothing was written"
    assert made.ask(store, "SELECT id, status, rev FROM segment ORDER BY id") == before
    other_process()
    assert store.matches.reject("boat", "ann").segments == 2


def test_what_is_stored_after_a_rejection_goes_back_at_the_end(store: FeatureStore, fetched) -> None:
    """The other process held nothing for a moment, between two groups of photos."""
    fetched(store, 3)
    store._catalog.edit(record, FILL)
    mine = store.matches.decisions().newest["boat"]
    assert store.matches.reject("boat", "ann").segments == 2
    fetched(store, 4)
    assert [one.segments for one in store.classes.all() if one.name == "boat"] == [2]
    assert store.matches.end_fill(mine) is None
    assert "boat" not in [one.name for one in store.classes.all() if one.segments]
    newest = store.matches.decisions().newest["boat"]
    assert (newest.decision, newest.decided_by) == ("rejected", "ann")
    assert store.matches.end_fill(mine) is None, "nothing is left to go back"


def test_a_fill_that_was_confirmed_meanwhile_ends_under_the_newer_decision(store: FeatureStore, fetched) -> None:
    fetched(store, 3)
    store._catalog.edit(record, FILL)
    mine = store.matches.decisions().newest["boat"]
    store.matches.accept("boat", "ann")
    event = store.matches.end_fill(mine)
    newest = store.matches.decisions().newest["boat"]
    assert newest.id != mine.id and newest.event == event is not None


def test_an_undo_rejects_the_fill_and_leaves_a_newer_decision_alone(store: FeatureStore, fetched) -> None:
    fetched(store, 3)
    event = finish(store)
    store.undo(event, "ann")
    newest = store.matches.decisions().newest["boat"]
    assert (newest.decision, newest.decided_by, newest.reason) == ("rejected", "ann", "the fill was undone")
    fetched(store, 3)
    event = finish(store)
    mapped = ClassMatch("boat", "car", MatchKind.MAP, 0.95, decision="accepted")
    store._catalog.edit(record, mapped)
    store.undo(event, "ann")
    assert store.matches.decisions().newest["boat"].how is MatchKind.MAP
