"""An index per space: opened when it is asked, told of every change, and independent of the others."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
import torch

from retclip.errors import StoreBusy, StoreDamaged
from retclip.store import reconcile
from retclip.store.class_edits import remove_class
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.undo import undo
from retclip.types import FeatureSpace

OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)
INDEXES = (StoreOptions(), StoreOptions(index="resident"), StoreOptions(index="server", qdrant_url=":memory:"))


def two_spaces(work, made):
    store = work.open()
    made.commit(store, made.unit(1))
    made.give(store, made.adding(store, OTHER), OTHER, made.lacking(store, 2, 1))
    return store


def counts(store, made) -> tuple[int, int]:
    for space in (made.space, OTHER):
        assert reconcile.differences(store.projection(space)).clean
    return store.projection(made.space).index.count(), store.projection(OTHER).index.count()


@pytest.mark.parametrize("options", INDEXES, ids=lambda one: one.index)
def test_every_index_hears_of_what_is_stored_and_edited(sqlite_work, made, options) -> None:
    sqlite_work.options = options
    store = two_spaces(sqlite_work, made)
    assert counts(store, made) == (6, 6)
    made.commit(store, made.unit(2))
    assert counts(store, made) == (12, 6)
    done = store.edit(lambda connection: remove_class(connection, "car", "ann"))
    assert counts(store, made) == (8, 4)
    store.edit(lambda connection: undo(connection, done.event, "ann"))
    assert counts(store, made) == (12, 6)


def test_one_that_is_not_open_is_opened_to_follow(sqlite_work, made) -> None:
    """What is due must not wait until somebody asks that space: a check would find the index behind."""
    two_spaces(sqlite_work, made)
    sqlite_work.close()
    store = sqlite_work.open()
    store.edit(lambda connection: remove_class(connection, "car", "ann"))
    for space in (made.space, OTHER):
        found = reconcile.differences(store.projection(space, follow=False))
        assert found.clean and found.pending == 0


def test_one_that_another_process_holds_follows_when_that_one_asks(sqlite_work, made) -> None:
    holder = two_spaces(sqlite_work, made)
    holder.close()
    ask = lambda: sum(one is not None for one in holder.nearest(torch.eye(4)[:1], [1, 2, 3], 9, False, OTHER).ids[0])  # noqa: E731
    assert ask() == 6
    with FeatureStore.open(sqlite_work.folder) as builder:  # holds the first space's index, and cannot have the second
        made.commit(builder, made.unit(2))
        builder.edit(lambda connection: remove_class(connection, "car", "ann"))
        with pytest.raises(StoreBusy, match=str(os.getpid())):
            builder.projection(OTHER)
    assert ask() == 4 and holder.projection(OTHER).index.count() == 4
    assert counts(holder, made) == (8, 4)


def test_a_lost_index_is_made_again_and_the_other_one_stays(sqlite_work, made) -> None:
    two_spaces(sqlite_work, made)
    sqlite_work.close()
    store = sqlite_work.open()
    names = {one.space.backbone: one.index for one in store.spaces()}
    first = sorted(
        (path, path.stat().st_mtime_ns) for path in (sqlite_work.folder / "index" / names["test.backbone"]).rglob("*")
    )
    store.drop_index(OTHER)
    assert not (sqlite_work.folder / "index" / names["test.other"]).exists()
    assert store.projection(OTHER).index.count() == 6
    assert first == sorted((path, path.stat().st_mtime_ns) for path, _ in first)
    assert counts(store, made) == (6, 6)


def test_damage_in_one_space_is_told_to_who_asks_there(sqlite_work, made) -> None:
    store = two_spaces(sqlite_work, made)
    (name,) = made.ask(store, "SELECT sha256 FROM feature_shard WHERE run_id = 2")[0]
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    shard = store.archive.path(name)
    whole = shard.read_bytes()
    shard.unlink()
    store = sqlite_work.open()
    made.commit(store, made.unit(2))
    assert store.nearest(torch.eye(8)[:1], [1], 3, False, made.space).supported.tolist() == [True]
    with pytest.raises(StoreDamaged, match=name):
        store.nearest(torch.eye(4)[:1], [1], 3, False, OTHER)
    shard.write_bytes(whole)
    assert store.nearest(torch.eye(4)[:1], [1], 3, False, OTHER).supported.tolist() == [True]
    assert counts(store, made) == (12, 6)


def test_indexes_in_memory_are_loaded_for_who_asks_alone(sqlite_work, made) -> None:
    sqlite_work.options = replace(sqlite_work.options, index="resident")
    two_spaces(sqlite_work, made)
    sqlite_work.close()
    store = sqlite_work.open()
    store.edit(lambda connection: remove_class(connection, "car", "ann"))
    assert store._indexes._open == {}
    assert counts(store, made) == (4, 4)


SMALL, UNITS = StoreOptions(exact_below=10), range(1, 13)  # 72 segments: below a kilobyte the engine builds none


def in_graph(store) -> int:
    """What the engine says of the first space's index."""
    return store.projection().index._live().info().indexed_vectors_count


def test_a_build_that_ends_leaves_the_graph_built(sqlite_work, made) -> None:
    """Before, nothing ever built it: at 200,000 segments every question was a scan."""
    sqlite_work.options = SMALL
    store = sqlite_work.open()
    run = sqlite_work.fill(store, [1])
    store.finish_run(run, "finished", {})
    assert in_graph(store) == 0, "6 are scanned"
    run = sqlite_work.fill(store, UNITS)
    assert in_graph(store) == 0, "not between two commits of a few"
    store.finish_run(run, "finished", {})
    assert in_graph(store) == 72
    assert reconcile.differences(store.projection()).clean


def test_who_stops_a_build_does_not_wait_for_the_graph(sqlite_work, made) -> None:
    sqlite_work.options = SMALL
    store = sqlite_work.open()
    store.finish_run(sqlite_work.fill(store, UNITS), "interrupted", {})
    assert in_graph(store) == 0


def test_a_load_and_an_edit_leave_the_graph_built(sqlite_work, made) -> None:
    sqlite_work.options = SMALL
    store = sqlite_work.open()
    store.finish_run(sqlite_work.fill(store, UNITS), "finished", {})
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    store = sqlite_work.open()
    assert in_graph(store) == 72, "loaded again from the archive"
    done = store.edit(lambda connection: remove_class(connection, "car", "ann"))
    store.edit(lambda connection: undo(connection, done.event, "ann"))
    assert store.projection().index.graph().indexed == 72, "the 24 that came back are in it"
