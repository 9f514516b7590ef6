"""Every kind of edit has its way back, once; what changed since stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.errors import DataError
from retclip.store.classes.class_edits import (
    add_alias,
    merge_class,
    remove_class,
    rename_class,
)  # fmt: skip
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile


def back(store: FeatureStore, event: int):
    return store.undo(event, "bob")


def state(store: FeatureStore, made) -> list[list[tuple]]:
    """All that an edit may change, but revisions."""
    return [
        made.ask(store, "SELECT id, category_id, status FROM segment ORDER BY id"),
        made.ask(store, "SELECT id, name, name_key, merged_into_id, retired_at FROM category ORDER BY id"),
        made.ask(store, "SELECT category_id, alias, alias_key FROM category_alias ORDER BY alias_key"),
    ]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (rename_class, ("car", "van")), (rename_class, ("car", "CAR")), (rename_class, ("car", "auto")),
        (add_alias, ("car", "van")), (merge_class, ("car", "road")), (remove_class, ("car",)),
    ],
)  # fmt: skip
def test_an_edit_is_undone_completely_and_once(store: FeatureStore, edit, made, change, names) -> None:
    edit(store, add_alias, "car", "auto")
    store.segments.quarantine(list(made.ids(store, "prompt = 'car' AND ordinal = 1").values()), "ann")
    before = state(store, made)
    done = edit(store, change, *names)
    assert state(store, made) != before
    assert back(store, done.event).segments == done.segments
    assert state(store, made) == before and reconcile.differences(store.projection()).clean
    with pytest.raises(DataError, match="undone already"):
        back(store, done.event)


def added(store: FeatureStore, made, name: str, number: int) -> int:
    """As `class add` does it; the event."""
    run = store.runs.start(replace(made.plan("class_add"), config=store.classes.note_of_addition(name, False)))
    store.runs.commit(run, [made.unit(number, classes=(name,), annotation=f"a{number}")], {})
    event = store.classes.finish_addition(run.id)
    assert event is not None
    return event


def test_an_added_class_goes_and_no_other_segment_is_touched(store: FeatureStore, made) -> None:
    others = made.ask(store, "SELECT id, rev FROM segment ORDER BY id")
    event = added(store, made, "boat", 3)
    assert {one.name: one.segments for one in store.classes.all()}["boat"] == 2
    assert back(store, event).segments == 2
    assert [one.name for one in store.classes.all()] == ["car", "road", "tree"]
    assert made.ask(store, "SELECT id, rev FROM segment WHERE prompt <> 'boat' ORDER BY id") == others
    assert reconcile.differences(store.projection()).clean
    again = added(store, made, "boat", 3)  # not finished any more, and the class is there again
    assert {one.name: one.segments for one in store.classes.all()}["boat"] == 2
    assert back(store, again).segments == 2


def test_an_addition_that_was_undone_does_not_come_back_with_its_removed_class(store: FeatureStore, edit, made) -> None:
    before = state(store, made)[0]
    event = added(store, made, "boat", 3)
    removed = edit(store, remove_class, "boat").event
    back(store, event)
    assert back(store, removed).segments == 0
    assert [one.name for one in store.classes.all()] == ["car", "road", "tree"]
    assert [row for row in state(store, made)[0] if row[2] == 0] == before
    assert reconcile.differences(store.projection()).clean


def test_of_a_removed_class_what_was_no_part_of_the_undone_addition_comes_back(store: FeatureStore, edit, made) -> None:
    event = added(store, made, "car", 3)
    removed = edit(store, remove_class, "car").event
    back(store, event)
    assert back(store, removed).segments == 4
    assert {one.name: one.segments for one in store.classes.all()}["car"] == 4


def test_several_are_undone_together_or_none(store: FeatureStore, made) -> None:
    events = [added(store, made, "boat", 3), added(store, made, "kite", 4)]
    with pytest.raises(DataError, match="number of an event"):
        store.undo_all([99, *events], "bob")
    assert len(store.classes.all()) == 5, "nothing went back"
    assert len(store.undo_all(events, "bob")) == 2
    assert [one.name for one in store.classes.all()] == ["car", "road", "tree"]


def test_more_of_a_known_class_goes_and_what_it_had_stays(store: FeatureStore, made) -> None:
    event = added(store, made, "car", 3)
    repeated = added(store, made, "car", 1)  # the same slots, filled again from another annotation
    assert {one.name: one.segments for one in store.classes.all()}["car"] == 6
    assert back(store, repeated).segments == 2 and back(store, event).segments == 2
    assert {one.name: one.segments for one in store.classes.all()}["car"] == 4


def test_renames_are_undone_in_any_order(store: FeatureStore, edit, made) -> None:
    before = state(store, made)
    first = edit(store, rename_class, "car", "van").event
    second = edit(store, rename_class, "van", "bus").event
    back(store, first)
    (bus,) = (one for one in store.classes.all() if one.name == "bus")
    assert bus.aliases == ("car",), "van was the name that is taken back"
    back(store, second)
    assert state(store, made) == before


def test_what_a_person_said_later_stays(store: FeatureStore, edit, made) -> None:
    merged = edit(store, merge_class, "car", "road").event
    one = made.ids(store, "image_id = 1")["car", 0]
    relabelled = store.segments.relabel([one], "tree", "ann").event
    assert back(store, merged).segments == 3
    assert {one.name: one.segments for one in store.classes.all()} == {"car": 3, "road": 4, "tree": 5}
    back(store, relabelled)
    assert store.segments.get([one])[one].class_name == "car", "the merge does not hold any more"


def test_a_build_is_undone_and_may_be_done_again(store: FeatureStore, made) -> None:
    before = made.ask(store, "SELECT id, status, mask_no FROM segment ORDER BY id")
    made.commit(store, made.unit(3), made.unit(1, annotation="b", per_class=1))
    built = store.history.log()[-1]
    assert (built.action, built.actor, built.segments) == ("build", "run 2", 12)
    assert back(store, built.id).segments == 12
    assert made.ask(store, "SELECT id, status, mask_no FROM segment WHERE id <= 12 ORDER BY id") == before
    assert made.ask(store, "SELECT count(*) FROM segment WHERE status = 2") == [(6,)]
    assert made.ask(store, "SELECT count(*) FROM unit WHERE run_id = 2") == [(0,)]
    assert reconcile.differences(store.projection()).clean


def test_what_cannot_be_undone_is_refused(store: FeatureStore, edit) -> None:
    with pytest.raises(DataError, match="number of an event"):
        back(store, 99)
    event = edit(store, add_alias, "car", "van").event
    undone = back(store, event).event
    with pytest.raises(DataError, match=r"class\.rename"):
        back(store, undone)


def test_the_history_of_a_class_and_of_all(store: FeatureStore, edit) -> None:
    event = edit(store, rename_class, "car", "van").event
    edit(store, add_alias, "road", "street")
    back(store, event)
    car = next(one.id for one in store.classes.all() if one.name == "car")
    every, own = store.classes.history(), store.classes.history("car")
    assert [one.action for one in every] == ["class.rename", "class.alias", "undo"]
    assert [(one.action, one.actor) for one in own] == [("class.rename", "ann"), ("undo", "bob")]
    assert (own[0].now, own[0].undone_by, own[1].undoes) == ("van", own[1].id, own[0].id)
    assert [one.action for one in store.history.log()] == ["build", *(one.action for one in every)]
    assert car == store.classes.id_of("car")
