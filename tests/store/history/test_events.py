"""The log keeps who changed what; that it refuses changes is proven in test_schema.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.errors import DataError
from retclip.store.history import events
from retclip.store.sql.engine import transaction
from retclip.store.states import Action


def test_events_are_told_in_their_order(store, made) -> None:
    renamed = store.classes.rename("car", "van", "ann").event
    merged = store.classes.merge("van", "road", "ann").event
    aliased = store.classes.add_alias("tree", "bush", "bob").event
    store.undo(renamed, "bob")
    built, *rest, undo = store.history.log()
    assert (built.action, built.target, built.runs, built.segments) == ("build", "test:", (1,), 12)
    assert [(one.id, one.action, one.target, one.now, one.segments) for one in rest] == [
        (renamed, "class.rename", "car", "van", 0),
        (merged, "class.merge", "van", "road", 4),
        (aliased, "class.alias", "tree", "bush", 0),
    ]
    assert (rest[0].undone_by, undo.undoes, undo.target, undo.actor) == (undo.id, renamed, str(renamed), "bob")
    assert undo.at.utcoffset().total_seconds() == 0 and undo.as_dict()["at"] == f"{undo.at:%Y-%m-%dT%H:%M:%S}"


def test_a_class_knows_what_was_merged_into_it(store) -> None:
    merged = store.classes.merge("car", "road", "ann").event
    store.undo(merged, "ann")
    for name in ("car", "road"):
        assert [one.action for one in store.classes.history(name)] == ["class.merge", "undo"]
    assert store.classes.history("tree") == []


def test_an_event_belongs_to_the_change_it_tells_of(light_work) -> None:
    store = light_work.open()
    with pytest.raises(ZeroDivisionError), transaction(store.engine, write=True) as connection:
        events.add(connection, "ann", Action.RENAME, "car")
        raise ZeroDivisionError
    assert list(store.history.log()) == []


def test_a_long_target_is_cut_the_same_everywhere(light_work) -> None:
    store = light_work.open()
    with transaction(store.engine, write=True) as connection:
        events.add(connection, "ann", Action.RENAME, "x" * 1000)
    assert [len(one.target) for one in store.history.log()] == [200]


def test_a_run_that_is_undone_while_it_works_goes_on_under_another_event(store, made) -> None:
    run = store.runs.start(replace(made.plan("class_add"), config=store.classes.note_of_addition("boat", False)))
    store.runs.commit(run, [made.unit(3, ("boat",))], {})
    first = store.classes.history()[0].id
    store.undo(first, "ann")
    store.runs.commit(run, [made.unit(4, ("boat",))], {})
    assert {one.name: one.segments for one in store.classes.all()}["boat"] == 2
    second = store.classes.finish_addition(run.id)
    assert second != first and store.undo(second, "ann").segments == 2


@pytest.mark.parametrize("question", ["classes_at", "difference", "undo"])
def test_the_number_of_no_event_is_refused(store, question) -> None:
    asked = {
        "classes_at": lambda: store.history.classes_at(99),
        "difference": lambda: store.history.difference(1, 99),
        "undo": lambda: store.undo(99, "ann"),
    }
    with pytest.raises(DataError, match=r"the number of an event; got 99"):
        asked[question]()
