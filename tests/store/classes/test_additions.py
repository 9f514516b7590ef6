"""An addition whose process died is found again: by the next one of the class, and before a regression gate looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.store.classes.additions import finish_addition, note
from retclip.store.classes.class_edits import rename_class
from retclip.store.feature_store import FeatureStore
from retclip.store.sql.engine import transaction
from retclip.store.work import leases

DEAD = f"{leases._machine()}/999999999/0.0"
FAR = "another.host/1/0.0"


@pytest.fixture
def cut_off(made):
    """A run of an addition that stores one image and then is no more heard of."""

    def run(store: FeatureStore, name: str, number: int, owner: str = DEAD, gated: bool = False) -> int:
        with transaction(store.engine) as connection:
            config = {**note(connection, name, gated), "owner": owner}
        opened = store.runs.start(replace(made.plan("class_add"), config=config))
        store.runs.commit(opened, [made.unit(number, (name,), annotation=f"a{number}")], {name: True})
        return opened.id

    return run


def finish(store: FeatureStore, run: int) -> int:
    return store._catalog.edit(finish_addition, run)


def left(store: FeatureStore, name: str) -> list[int]:
    return store.classes.undo_unfinished(name, "ann")


def held(store: FeatureStore) -> dict[str, int]:
    return {one.name: one.segments for one in store.classes.all()}


def test_the_next_addition_answers_for_a_run_that_died_and_one_undo_takes_both_back(store, made, cut_off) -> None:
    before = held(store)
    first = cut_off(store, "Boat", 3)
    second = cut_off(store, "boat", 4, leases.me())
    event = finish(store, second)
    (told,) = store.classes.history()
    assert (told.id, told.actor, told.runs, told.segments) == (event, f"run {first}", (first, second), 4)
    assert left(store, "boat") == []
    store.undo(event, "ann")
    assert held(store) == before
    third = cut_off(store, "boat", 5, leases.me())
    again = finish(store, third)
    assert again != event and len(made.ask(store, "SELECT id FROM segment WHERE status = 0 AND prompt = 'boat'")) == 2


def test_a_gate_takes_it_back_before_it_looks(store, made, cut_off) -> None:
    before = held(store)
    cut_off(store, "boat", 3)
    cut_off(store, "car", 1)  # of another class: not the gate's
    (event,) = left(store, "BOAT")
    assert held(store) == before and left(store, "boat") == []
    assert [one[:2] for one in events(store)] == [("class.add", "boat"), ("class.add", "car"), ("undo", str(event))]


def test_a_class_is_the_same_by_its_other_names(store, cut_off, edit) -> None:
    cut_off(store, "car", 3)
    edit(store, rename_class, "car", "van")
    assert held(store)["van"] == 6
    assert len(left(store, "van")) == 1 and held(store)["van"] == 4


def test_what_is_being_worked_on_is_left_alone(store, made, cut_off) -> None:
    mine, far = cut_off(store, "boat", 3, leases.me()), cut_off(store, "boat", 4, FAR)
    assert left(store, "boat") == [] and held(store)["boat"] == 4
    made.change(store, "UPDATE run SET state = 'failed' WHERE id = :run", run=mine)  # by an error, before its event
    old = "2020-01-01 00:00:00+00:00"
    made.change(store, "UPDATE run SET started_at = :old WHERE id = :run", old=old, run=far)
    made.change(store, "UPDATE unit SET at = :old WHERE run_id = :run", old=old, run=far)
    assert len(left(store, "boat")) == 2 and "boat" not in held(store), "each had begun by itself"


def test_a_gate_that_never_judged_leaves_its_events_behind(store, made, cut_off) -> None:
    before = held(store)
    first = finish(store, cut_off(store, "boat", 3, gated=True))
    second = finish(store, cut_off(store, "boat", 4, gated=True))
    cut_off(store, "boat", 5, gated=True)
    *found, last = left(store, "boat")
    assert found == [first, second] and last > second and held(store) == before
    assert left(store, "boat") == []


def test_what_was_judged_stays(store, made, cut_off) -> None:
    event = finish(store, cut_off(store, "boat", 3, gated=True))
    store.classes.keep_additions([event])
    assert left(store, "boat") == [] and held(store)["boat"] == 2


def test_who_adds_without_a_gate_accepts_what_an_earlier_gate_left(store, cut_off) -> None:
    finish(store, cut_off(store, "boat", 3, gated=True))
    finish(store, cut_off(store, "boat", 4, leases.me()))
    assert left(store, "boat") == [] and held(store)["boat"] == 4


def start(store, made, name, owner=None):
    """A run of an addition that has stored nothing yet."""
    with transaction(store.engine) as connection:
        config = {**note(connection, name), "owner": owner or leases.me()}
    return store.runs.start(replace(made.plan("class_add"), config=config))


def events(store):
    return [(one.action, one.target) for one in store.classes.history()]


def test_a_run_that_came_to_nothing_leaves_no_event_and_no_class(store, made, cut_off) -> None:
    before, known = held(store), events(store)
    run = start(store, made, "Boat")
    store.runs.commit(run, [made.unit(3, ("Boat",), per_class=0)], {"Boat": False})
    assert finish(store, run.id) is None
    assert (held(store), events(store), left(store, "boat")) == (before, known, [])
    second = cut_off(store, "Boat", 4, leases.me())
    assert finish(store, second) is not None
    (told,) = store.classes.history()
    assert told.runs == (second,), "it answers for itself alone"


def test_a_removed_class_stays_removed_where_nothing_of_it_was_found(store, made) -> None:
    name = next(iter(held(store)))
    store.classes.remove(name, "ann")
    run = start(store, made, name)
    store.runs.commit(run, [made.unit(7, (name,), per_class=0)], {name: None})
    assert finish(store, run.id) is None and name not in held(store)


def test_a_run_that_only_took_away_has_an_event_and_an_undo(store, made) -> None:
    """An annotation that no longer shows the class retires its segments: that must be undoable."""
    before = held(store)
    name = next(iter(before))
    run = start(store, made, name)
    store.runs.commit(run, [made.unit(1, (name,), per_class=0, annotation="corrected")], {name: None})
    assert held(store)[name] < before[name]
    event = finish(store, run.id)
    assert event is not None
    store.undo(event, "ann")
    assert held(store) == before


def test_nothing_found_after_a_run_that_died_still_answers_for_that_one(store, made, cut_off) -> None:
    before = held(store)
    first = cut_off(store, "boat", 3)
    second = start(store, made, "boat")
    event = finish(store, second.id)
    assert event is not None and held(store)["boat"] == 2
    (told,) = store.classes.history()
    assert (told.id, told.runs) == (event, (first, second.id))
    store.undo(event, "ann")
    assert held(store) == before
