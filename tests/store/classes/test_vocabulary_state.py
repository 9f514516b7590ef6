"""Whatever changes what a name means changes the state; questions do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from retclip.store.classes.class_edits import add_alias, merge_class, remove_class, rename_class
from retclip.store.classes.vocabulary_state import vocabulary_state
from retclip.store.feature_store import FeatureStore
from retclip.store.sql.engine import read

CHANGES: dict[str, Callable] = {
    "renamed": lambda store, edit, made: edit(store, rename_class, "car", "Motor car"),
    "spelled otherwise": lambda store, edit, made: edit(store, rename_class, "car", "Car"),
    "a synonym": lambda store, edit, made: edit(store, add_alias, "car", "automobile"),
    "merged": lambda store, edit, made: edit(store, merge_class, "car", "road"),
    "removed": lambda store, edit, made: edit(store, remove_class, "car"),
    "a decision": lambda store, edit, made: store.matches.map_to("lorry", "car", 0.95, "ann"),
    "a new class": lambda store, edit, made: made.commit(store, made.unit(9, classes=("boat",))),
    "whether it counts": lambda store, edit, made: made.change(
        store, "UPDATE category SET seal = NULL, is_thing = NULL WHERE name = 'road'"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_name_s_meaning_shows(store: FeatureStore, edit, made, change) -> None:
    before = read(store.engine, vocabulary_state)
    store.classes.all()
    assert read(store.engine, vocabulary_state) == before
    CHANGES[change](store, edit, made)
    assert read(store.engine, vocabulary_state) != before
