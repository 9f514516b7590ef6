"""Another name, one more, two made one, one removed: what SQL says afterwards, and what a search finds."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from retclip.errors import DataError, StoreDamaged
from retclip.store.classes.class_edits import add_alias, merge_class, remove_class, rename_class
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile, sync
from retclip.store.sql.engine import transaction
from retclip.store.work import ledger


def classes(store: FeatureStore) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {one.name: (one.segments, one.aliases) for one in store.classes.all()}


def events(store: FeatureStore, made) -> list[tuple]:
    return made.ask(store, "SELECT action, target, actor FROM event WHERE action <> 'build' ORDER BY id")


def test_a_rename_keeps_the_old_name_as_an_alias_and_touches_no_segment(store: FeatureStore, edit, made) -> None:
    before = made.ask(store, "SELECT id, rev FROM segment ORDER BY id")
    done = edit(store, rename_class, "car", "Motor car")
    assert done.segments == 0 and classes(store)["Motor car"] == (4, ("car",)) and "car" not in classes(store)
    assert made.ask(store, "SELECT id, rev FROM segment ORDER BY id") == before
    assert events(store, made) == [("class.rename", "car", "ann")]
    edit(store, rename_class, "CAR", "car")  # back, by its alias
    assert classes(store)["car"] == (4, ("Motor car",))
    edit(store, rename_class, "car", "Car")  # only spelled otherwise: no alias of itself
    assert classes(store)["Car"] == (4, ("Motor car",))


def test_an_alias_means_the_class_and_may_not_be_taken(store: FeatureStore, edit) -> None:
    edit(store, add_alias, "car", "automobile")
    assert classes(store)["car"] == (4, ("automobile",))
    for name in ("automobile", "Tree", "car"):
        with pytest.raises(DataError, match="taken"):
            edit(store, add_alias, "road", name)
    with pytest.raises(DataError, match="taken"):
        edit(store, rename_class, "road", "automobile")


@pytest.mark.parametrize("name", ["n" * 5000, "a\0b", "   ", "\ud800x", "\x1b[31mred", "\ufdfa" * 20])
def test_a_name_that_cannot_be_is_refused_and_a_question_for_it_finds_nothing(store: FeatureStore, edit, name) -> None:
    before = classes(store)
    for change, names in ((rename_class, ("car", name)), (add_alias, ("car", name))):
        with pytest.raises(DataError, match="a name of 1 to 200 characters"):
            edit(store, change, *names)
    for change, names in ((remove_class, (name,)), (merge_class, (name, "car"))):
        with pytest.raises(DataError, match="a class of the store"):
            edit(store, change, *names)
    assert classes(store) == before


def test_a_new_name_is_kept_as_it_is_kept_everywhere(store: FeatureStore, edit) -> None:
    edit(store, rename_class, "car", " موتور\u200c  سیکلت\u200b\n")
    edit(store, add_alias, "car", "cafe\u0301\u200d")
    assert classes(store)["موتور سیکلت"][1] == ("car", "café")


def test_merged_classes_are_one_for_people_and_for_a_search(store: FeatureStore, edit, made) -> None:
    vector = torch.from_numpy(made.unit(1).vectors[2:3])  # of a car
    assert edit(store, merge_class, "car", "road").segments == 4
    assert classes(store) == {"road": (8, ("car",)), "tree": (4, ())}, "the name means the other from now on"
    road = next(one.id for one in store.classes.all() if one.name == "road")
    found = store.nearest(vector, [road], 1, per_class=False)
    assert found.distances[0, 0] < 1e-3 and found.classes[0, 0] == 0
    assert reconcile.differences(store.projection()).clean
    said = "SELECT label_source, count(*) FROM segment_fact WHERE label_source IS NOT NULL GROUP BY 1 ORDER BY 1"
    assert made.ask(store, said) == [("annotation", 12), ("person", 4)]  # the old ones stay
    with pytest.raises(DataError, match="two different"):
        edit(store, merge_class, "car", "road")


def test_a_removed_class_is_found_no_more_and_may_come_again(store: FeatureStore, edit, made) -> None:
    assert edit(store, remove_class, "car").segments == 4
    assert set(classes(store)) == {"road", "tree"} and reconcile.differences(store.projection()).clean
    assert made.ask(store, "SELECT count(*) FROM unit") == [(0,)], "what is stored again must not look finished"
    made.commit(store, made.unit(1, classes=("car",)))
    assert classes(store)["car"] == (2, ())
    assert made.ask(store, "SELECT count(*) FROM segment WHERE status = 2") == [(2,)]


@pytest.mark.parametrize(
    ("change", "names", "told"),
    [
        (rename_class, ("cat", "dog"), "car"),
        (rename_class, ("car", "  "), "1 to 200"),
        (rename_class, ("car", "x" * 201), "1 to 200"),
        (rename_class, ("car", "tree"), "taken"),
        (rename_class, ("Car", " car "), "has already"),
        (merge_class, ("cars", "tree"), "car"),
        (merge_class, ("car", "trees"), "tree"),
        (remove_class, ("",), "class of the store"),
        (add_alias, ("car", "a\0b"), "1 to 200"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(store: FeatureStore, edit, made, change, names, told) -> None:
    with pytest.raises(DataError, match=told):
        edit(store, change, *names)
    assert events(store, made) == [] and set(classes(store)) == {"car", "road", "tree"}


@pytest.mark.parametrize(("change", "names", "removed"), [(rename_class, ("car", "van"), "van"),
                                                           (merge_class, ("car", "road"), "road")])  # fmt: skip
def test_a_class_removed_under_another_name_may_come_again(store: FeatureStore, edit, made, change, names, removed):
    """Its sources go on calling it what they did."""
    edit(store, change, *names)
    edit(store, remove_class, removed)
    keys = [made.unit(number).key for number in (1, 2)]
    with transaction(store.engine) as connection:
        assert ledger.finished_units(connection, keys) == set()


def test_a_damaged_index_is_no_reason_to_call_an_edit_failed(store: FeatureStore, edit, monkeypatch, caplog) -> None:
    def damaged(*_: object) -> None:
        raise StoreDamaged("an index", "half of one", "remove it")

    store.projection()  # open, so that it follows
    monkeypatch.setattr(sync, "follow", damaged)
    assert edit(store, remove_class, "car").segments == 4
    assert "what was stored is stored" in caplog.text and "to mend it: remove it" in caplog.text


def test_a_removed_class_can_not_be_edited(store: FeatureStore, edit) -> None:
    edit(store, remove_class, "car")
    for change in (partial(rename_class, new="x"), partial(add_alias, alias="x"), remove_class):
        with pytest.raises(DataError, match="class of the store"):
            store._catalog.edit(change, "car", actor="ann")
