"""Every kind of edit has its way back, once; what changed since stays."""

from __future__ import annotations

import pytest

from retclip.errors import DataError
from retclip.store.classes.additions import class_before, record_addition
from retclip.store.classes.class_edits import (
    add_alias,
    merge_class,
    packed,
    remove_class,
    rename_class,
)  # fmt: skip
from retclip.store.classes.events import history, record
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.sql.engine import transaction


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
    made.change(store, "UPDATE segment SET status = 1, rev = rev + 1 WHERE prompt = 'car' AND ordinal = 1")
    made.announce(store)
    store.refresh()
    before = state(store, made)
    done = edit(store, change, *names)
    assert state(store, made) != before
    assert back(store, done.event).segments == done.segments
    assert state(store, made) == before and reconcile.differences(store.projection()).clean
    with pytest.raises(DataError, match="undone already"):
        back(store, done.event)


def added(store: FeatureStore, made, name: str, number: int) -> int:
    """As `class add` does it; the event."""
    with transaction(store.engine) as connection:
        before = class_before(connection, name)
    run = store.runs.start(made.plan("class_add"))
    store.runs.commit(run, [made.unit(number, classes=(name,), annotation=f"a{number}")], {})
    with transaction(store.engine, write=True) as connection:
        return record_addition(connection, name, before, {"run": run.id})


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


def test_an_event_of_an_older_version_names_what_its_run_retired(store: FeatureStore, made) -> None:
    """There was no `replaced_segment` then: the event itself says what comes back."""
    one, other = (row[0] for row in made.ask(store, "SELECT id FROM segment WHERE prompt = 'car' ORDER BY id LIMIT 2"))
    run = made.commit(store, made.unit(3, classes=("boat",)))
    made.change(store, "UPDATE segment SET status = 2, rev = rev + 1 WHERE id IN (:a, :b)", a=one, b=other)
    ids = [row[0] for row in made.ask(store, "SELECT id FROM segment WHERE prompt = 'boat'")]
    retired = {"segments": packed([one]), "quarantined": packed([other])}
    car = next(row.id for row in store.classes.all() if row.name == "car")
    after = {"run": run.id, "category": car, "made": packed(ids), "retired": retired}
    with transaction(store.engine, write=True) as connection:
        event = record(connection, f"run {run.id}", "class.add", "car", {"known": True}, after)
    assert {row.name: row.segments for row in store.classes.all()}["car"] == 2
    assert back(store, event).segments == 4  # two of the run, two that are back
    assert made.ask(store, f"SELECT id, status FROM segment WHERE id IN ({one}, {other}) ORDER BY id") == [
        (one, 0), (other, 1),
    ]  # fmt: skip


def test_later_changes_stand_in_the_way_or_stay(store: FeatureStore, edit, made) -> None:
    first = edit(store, rename_class, "car", "van").event
    second = edit(store, rename_class, "van", "bus").event
    with pytest.raises(DataError, match="changed since"):
        back(store, first)
    back(store, second)
    back(store, first)
    merged = edit(store, merge_class, "car", "road").event
    tree = next(one.id for one in store.classes.all() if one.name == "tree")
    one = made.ask(store, "SELECT min(id) FROM segment WHERE prompt = 'car'")[0][0]
    made.change(store, "UPDATE segment SET category_id = :tree WHERE id = :one", tree=tree, one=one)
    assert back(store, merged).segments == 3  # a person called the fourth a tree since
    assert {one.name: one.segments for one in store.classes.all()} == {"car": 3, "road": 4, "tree": 5}


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
    with transaction(store.engine) as connection:
        every, own = history(connection), history(connection, car)
    assert [one["action"] for one in every] == ["class.rename", "class.alias", "undo"]
    assert [(one["action"], one["actor"]) for one in own] == [("class.rename", "ann"), ("undo", "bob")]
