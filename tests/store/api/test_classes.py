"""Classes as an open store's callers change them: each change reaches the index, and an undo takes it back."""

from __future__ import annotations

import pytest

from retclip.errors import DataError
from retclip.store.feature_store import FeatureStore

CHANGES = {
    "rename": (lambda store: store.classes.rename("car", "auto", "ann"), ["auto", "road", "tree"]),
    "merge": (lambda store: store.classes.merge("car", "road", "ann"), ["road", "tree"]),
    "remove": (lambda store: store.classes.remove("car", "ann"), ["road", "tree"]),
}


@pytest.fixture
def hidden(store: FeatureStore):
    """The segments of the class that the open index does not find any more."""
    car = store.classes.id_of("car")
    index = store.projection().index
    held = set(index.filtered(car, 0))
    return lambda: len(held - set(index.filtered(car, 0)))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reaches_the_index_and_is_undone_by_its_event(store: FeatureStore, hidden, change: str) -> None:
    before = store.classes.all()
    edit, names = CHANGES[change]
    done = edit(store)
    assert [one.name for one in store.classes.all()] == names
    assert hidden() == done.segments == (0 if change == "rename" else 4)
    assert store.undo(done.event, "bob").segments == done.segments
    assert store.classes.all() == before and hidden() == 0
    assert [(one.action, one.actor) for one in store.classes.history()] == [
        (f"class.{change}", "ann"), ("undo", "bob"),
    ]  # fmt: skip


def test_a_class_is_known_by_its_alias(store: FeatureStore) -> None:
    assert store.classes.id_of("auto") is None
    store.classes.add_alias("car", "auto", "ann")
    assert store.classes.id_of("auto") == store.classes.id_of("CAR") is not None
    with pytest.raises(DataError, match="nobody"):
        store.classes.history("nobody")


def test_several_events_are_undone_whole_or_not_at_all(store: FeatureStore) -> None:
    first = store.classes.rename("car", "auto", "ann").event
    with pytest.raises(DataError, match="99"):
        store.undo_all([99, first], "ann")
    assert store.classes.id_of("auto") is not None
    second = store.classes.rename("auto", "van", "ann").event
    assert store.undo_all([], "ann") == ()
    assert store.undo_all([first, second], "ann") == (second + 1, second + 2)
    assert [one.name for one in store.classes.all()] == ["car", "road", "tree"]
