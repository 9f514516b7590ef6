"""An index per space: opened when it is asked, told of every change, and independent of the others."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
import torch

from retclip.errors import StoreBusy, StoreDamaged, StoreError
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import edge, edge_shard, indexes, reconcile, server
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
    done = store.classes.remove("car", "ann")
    assert counts(store, made) == (8, 4)
    store.undo(done.event, "ann")
    assert counts(store, made) == (12, 6)


def test_one_that_is_not_open_is_opened_to_follow(sqlite_work, made) -> None:
    """What is due must not wait until somebody asks that space: a check would find the index behind."""
    two_spaces(sqlite_work, made)
    sqlite_work.close()
    store = sqlite_work.open()
    store.classes.remove("car", "ann")
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
        builder.classes.remove("car", "ann")
        with pytest.raises(StoreBusy, match=str(os.getpid())):
            builder.projection(OTHER)
    assert ask() == 4 and holder.projection(OTHER).index.count() == 4
    assert counts(holder, made) == (8, 4)


def test_a_lost_index_is_made_again_and_the_other_one_stays(sqlite_work, made) -> None:
    two_spaces(sqlite_work, made)
    sqlite_work.close()
    store = sqlite_work.open()
    names = {one.space.backbone: one.index for one in store.spaces.all()}
    first = sorted(
        (path, path.stat().st_mtime_ns) for path in (sqlite_work.folder / "index" / names["test.backbone"]).rglob("*")
    )
    store.maintenance.drop_index(OTHER)
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
    store.classes.remove("car", "ann")
    assert store._indexes._open == {}
    assert counts(store, made) == (4, 4)


SMALL, UNITS = StoreOptions(exact_below=10), range(1, 13)  # 72 segments: below a kilobyte the engine builds none


@pytest.fixture
def little_memory(monkeypatch) -> None:
    """A machine whose memory holds no copy of the vectors, so that a graph is needed."""
    monkeypatch.setattr(indexes, "_memory", lambda: 0)


def in_graph(store) -> int:
    """What the engine says of the first space's index."""
    return store.projection().index._live().info().indexed_vectors_count


@pytest.mark.usefixtures("little_memory")
def test_a_build_that_ends_leaves_the_graph_built(sqlite_work, made) -> None:
    """Before, nothing ever built it: at 200,000 segments every question was a scan."""
    sqlite_work.options = SMALL
    store = sqlite_work.open()
    run = sqlite_work.fill(store, [1])
    store.runs.finish(run, "finished", {})
    assert in_graph(store) == 0, "6 are scanned"
    run = sqlite_work.fill(store, UNITS)
    assert in_graph(store) == 0, "not between two commits of a few"
    store.runs.finish(run, "finished", {})
    assert in_graph(store) == 72
    assert reconcile.differences(store.projection()).clean


def test_where_a_copy_in_memory_answers_no_graph_is_built(sqlite_work, monkeypatch, caplog) -> None:
    sqlite_work.options = SMALL
    monkeypatch.setattr(indexes, "_memory", lambda: 2 * 72 * 8 * 6)  # half of it holds the 72 vectors of 8 numbers
    store = sqlite_work.open()
    store.runs.finish(sqlite_work.fill(store, UNITS), "finished", {})
    state = store.maintenance.graph(store.spaces.first(), build=False)
    assert in_graph(store) == 0 and (state.points, state.outside, state.due) == (72, 72, False)
    monkeypatch.setattr(indexes, "_memory", lambda: 2 * 71 * 8 * 6)
    sqlite_work.close()
    store = sqlite_work.open()
    for _ in range(2):
        store.nearest(torch.eye(8)[:1], [1], 3, False)
    assert [line for line in said(caplog) if "72 of 72 vectors" in line and "--repair" in line] == said(caplog)[:1]
    store.runs.finish(sqlite_work.fill(store, [13]), "finished", {})
    assert in_graph(store) == 78, "the copy no longer fits"


@pytest.mark.usefixtures("little_memory")
def test_who_stops_a_build_does_not_wait_for_the_graph(sqlite_work, made) -> None:
    sqlite_work.options = SMALL
    store = sqlite_work.open()
    store.runs.finish(sqlite_work.fill(store, UNITS), "interrupted", {})
    assert in_graph(store) == 0


@pytest.mark.usefixtures("little_memory")
def test_a_load_and_an_edit_leave_the_graph_built(sqlite_work, made) -> None:
    sqlite_work.options = SMALL
    store = sqlite_work.open()
    store.runs.finish(sqlite_work.fill(store, UNITS), "finished", {})
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    store = sqlite_work.open()
    assert in_graph(store) == 72, "loaded again from the archive"
    done = store.classes.remove("car", "ann")
    store.undo(done.event, "ann")
    assert store.projection().index.graph().indexed == 72, "the 24 that came back are in it"


def unusable(store, kind: str, monkeypatch) -> None:
    """Make the embedded index one that this process cannot write."""
    folder = store.folder / "index" / store.spaces.all()[0].index
    store.close()
    if kind == "another user's":  # as root, who may write anywhere: a folder where the lock should be
        (folder / "lock").unlink()
        (folder / "lock").mkdir()
    elif kind == "no room":
        usage = shutil.disk_usage(store.folder)
        monkeypatch.setattr(edge_shard.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    else:
        (folder / "shard" / "edge_config.json").write_text("{")


def usable(store, monkeypatch) -> None:
    folder = store.folder / "index" / store.spaces.all()[0].index
    monkeypatch.undo()
    if (folder / "lock").is_dir():
        (folder / "lock").rmdir()
    if (folder / "shard" / "edge_config.json").read_text() == "{":
        shutil.rmtree(folder)


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "retclip.store.index.indexes"]


@pytest.mark.parametrize("kind", ["another user's", "no room", "damaged"])
def test_done_is_done_though_the_index_cannot_follow(sqlite_work, made, monkeypatch, caplog, kind) -> None:
    """Edits, undo and builds end well, once warned of; answers come from memory; and the index makes up for it."""
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    unusable(store, kind, monkeypatch)
    done = store.classes.remove("car", "ann")
    store.classes.remove("tree", "ann")
    store.undo(done.event, "ann")
    made.commit(store, made.unit(2))
    assert {one.name: one.segments for one in store.classes.all()} == {"car": 4, "road": 4, "tree": 2}
    (warned,) = said(caplog)
    assert "what was stored is stored" in warned and "follows with the next command that can use it" in warned
    answer = store.nearest(torch.eye(8)[:1], [1, 2, 3], 99, False)
    assert sum(one is not None for one in answer.ids[0]) == 10
    assert len(said(caplog)) == 2 and "10 vectors, loaded into memory" in said(caplog)[1]
    assert "To mend it: " in said(caplog)[1]
    store.nearest(torch.eye(8)[:1], [1], 9, False)
    assert len(said(caplog)) == 2, "said once"
    usable(store, monkeypatch)
    sqlite_work.close()
    again = sqlite_work.open()
    assert again.projection().index.count() == 10 and reconcile.differences(again.projection()).clean


def test_memory_stands_in_only_where_it_suffices(sqlite_work, made, monkeypatch) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    unusable(store, "another user's", monkeypatch)
    monkeypatch.setattr(indexes, "_memory", lambda: 6 * 8 * 4)
    with pytest.raises(StoreError, match="writable"):
        store.nearest(torch.eye(8)[:1], [1], 3, False)
    usable(store, monkeypatch)


@pytest.mark.parametrize("error", [KeyError("cat"), TypeError("no number"), StoreDamaged("an index", "damage", "mend")])
def test_damage_that_a_search_meets_is_answered_from_memory(sqlite_work, made, monkeypatch, caplog, error) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    wanted = store.nearest(torch.eye(8)[:1], [1, 2], 9, False)

    def raising(*_):
        raise error

    monkeypatch.setattr(edge, "nearest_in_classes", raising)
    answer = store.nearest(torch.eye(8)[:1], [1, 2], 9, False)
    assert answer.ids.tolist() == wanted.ids.tolist() and "loaded into memory" in said(caplog)[0]


def test_a_server_that_is_gone_costs_an_edit_nothing_and_is_not_asked_at_once_again(sqlite_work, made, monkeypatch):
    sqlite_work.options = INDEXES[2]
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    asked = []

    def gone(self, *_):
        asked.append(self)
        raise StoreError("collection x to answer", "nobody there", "check that the server runs")

    monkeypatch.setattr(server.ServerIndex, "delete", gone)
    for name in ("car", "road"):
        store.classes.remove(name, "ann")
    assert len(asked) == 1 and {one.name for one in store.classes.all()} == {"tree"}
    assert sum(one is not None for one in store.nearest(torch.eye(8)[:1], [3], 9, False).ids[0]) == 2
    monkeypatch.undo()
    store.refresh()
    monkeypatch.setattr(indexes.time, "monotonic", lambda: 1e12)
    store.refresh()
    assert store.projection().index.count() == 2


def test_a_setting_that_cannot_be_does_not_make_a_done_edit_a_failed_one(sqlite_work, made, caplog) -> None:
    made.commit(sqlite_work.open(), made.unit(1))
    sqlite_work.close()
    with FeatureStore.open(sqlite_work.folder, StoreOptions(index="server", qdrant_url="nowhere")) as store:
        store.classes.remove("car", "ann")
        assert {one.name for one in store.classes.all()} == {"road", "tree"}
    assert "qdrant_url" in said(caplog)[0]


def test_an_index_that_cannot_be_removed_is_told(sqlite_work, made, monkeypatch) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    monkeypatch.setattr(indexes.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(StoreError, match="can be removed"):
        store.maintenance.drop_index()
