"""The index follows SQL: the relay for what changed, the reconcile job for everything, on every kind of index."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
import torch

from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import reconcile, sync, wanted_points
from retclip.store.index.edge import EdgeIndex
from retclip.store.index.protocol import PAYLOAD, REVISION, STATE, Points
from retclip.store.segments import ingest
from retclip.store.sql.engine import transaction
from retclip.store.work import ledger

INDEXES = {"edge": {}, "server": {"qdrant_url": ":memory:"}, "resident": {}}


@pytest.fixture(params=INDEXES)
def store(request, sqlite_work) -> FeatureStore:
    """Three images, 18 segments."""
    sqlite_work.options = StoreOptions(index=request.param, **INDEXES[request.param])
    opened = sqlite_work.open()
    sqlite_work.fill(opened, [1, 2, 3])
    return opened


@pytest.fixture
def pair(sqlite_work) -> Iterator[tuple[FeatureStore, FeatureStore]]:
    """The same store with its index on disk, and with one in memory."""
    on_disk = sqlite_work.open()
    sqlite_work.fill(on_disk, [1, 2, 3])
    with FeatureStore.open(sqlite_work.folder, StoreOptions(index="resident")) as in_memory:
        yield on_disk, in_memory


def held(store: FeatureStore) -> dict[UUID, list[int]]:
    return {point_id: row.tolist() for point_id, row in store.projection().index.scan()}


def pending(store: FeatureStore) -> int:
    return reconcile.differences(store.projection(), check_vectors=False).pending


def test_the_relay_leaves_nothing_to_do(store: FeatureStore) -> None:
    assert reconcile.differences(store.projection()) == reconcile.Differences((), (), (), (), (), pending(store))
    assert len(held(store)) == 18


def test_the_relay_may_be_repeated(sqlite_work, made) -> None:
    store = sqlite_work.open()
    sqlite_work.fill(store, [1, 2])
    before = held(store)
    made.change(store, "UPDATE outbox SET done_at = NULL")
    assert sync.relay(store.projection()) == 12, "it looks at all of them"
    assert held(store) == before and sync.relay(store.projection()) == 0
    assert made.ask(store, "SELECT count(*) FROM outbox WHERE done_at IS NULL") == [(0,)]


def test_the_relay_reads_what_is_true_now(store: FeatureStore, made) -> None:
    """One row says `look at these`; what it finds may be newer than what was announced."""
    ids = made.ids(store, "image_id = 1")
    made.change(store, "UPDATE segment SET status = 1, rev = 5 WHERE prompt = 'car' AND image_id = 1")
    made.change(store, "UPDATE segment SET status = 2, rev = 6 WHERE prompt = 'road' AND image_id = 1")
    assert reconcile.differences(store.projection()).stale, "nobody was told yet"
    made.announce(store, "image_id = 1")
    store.refresh()
    now = held(store)
    assert [now[ids["car", n]][STATE] for n in (0, 1)] == [1, 1] and now[ids["car", 0]][REVISION] == 5
    assert ids["road", 0] not in now and ids["road", 1] not in now and len(now) == 16
    assert reconcile.differences(store.projection()).clean


def test_many_rows_take_several_rounds(store: FeatureStore, made, monkeypatch) -> None:
    monkeypatch.setattr(sync, "ROWS_PER_ROUND", 2)
    made.change(store, "UPDATE segment SET rev = rev + 1")
    for image in (1, 2, 3, 1, 2):
        made.announce(store, "image_id = :image", image=image)
    store.refresh()
    assert reconcile.differences(store.projection()).clean


def test_quarantined_segments_are_held_but_not_found(store: FeatureStore, made) -> None:
    cars, index = set(made.ids(store, "prompt = 'car' AND image_id > 1").values()), store.projection().index
    first = made.ids(store, "image_id = 1")["car", 0]
    query = torch.from_numpy(index.vectors([first])[first])[None]
    assert index.search(query, 1).ids[0, 0] == first
    made.change(store, "UPDATE segment SET status = 1, rev = rev + 1 WHERE prompt = 'car' AND image_id = 1")
    made.announce(store, "prompt = 'car'")
    store.refresh()
    assert held(store)[first][STATE] == 1
    found = set(index.search(query, 18).ids.ravel())
    assert first not in found and cars <= found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE image SET state = 2 WHERE id = 1",
        "UPDATE category SET retired_at = '2024-01-01 00:00:00' WHERE name = 'car'",
    ],
)
def test_what_should_not_be_held_goes_and_comes_back(store: FeatureStore, made, change: str) -> None:
    before = held(store)
    made.change(store, change)
    made.announce(store)
    store.refresh()
    assert len(held(store)) == 12
    made.change(store, "UPDATE image SET state = 1")
    made.change(store, "UPDATE category SET retired_at = NULL")
    made.announce(store)
    store.refresh()
    assert held(store) == before, "with the same revision, and there again"


def test_an_index_in_memory_follows_what_another_writes(pair, sqlite_work) -> None:
    on_disk, in_memory = pair
    assert held(in_memory) == held(on_disk) and len(held(on_disk)) == 18
    sqlite_work.fill(on_disk, [4, 5])
    assert len(held(in_memory)) == 18, "it looks when it is asked to"
    in_memory.refresh()
    assert held(in_memory) == held(on_disk) and len(held(on_disk)) == 30


def test_an_index_in_memory_does_not_answer_for_the_one_on_disk(pair, made) -> None:
    """Neither by following nor by repairing: a row it marked done would never reach the disk."""
    on_disk, in_memory = pair
    made.change(on_disk, "UPDATE segment SET status = 2, rev = rev + 1 WHERE prompt = 'car'")
    made.announce(on_disk, "prompt = 'car'")
    in_memory.refresh()
    assert len(held(in_memory)) == 12 and len(held(on_disk)) == 18
    reconcile.reconcile(in_memory.projection(), repair=True)
    assert pending(on_disk) == 1
    on_disk.refresh()
    assert held(on_disk) == held(in_memory)


def test_an_index_whose_loading_was_stopped_is_loaded_to_the_end(sqlite_work, monkeypatch) -> None:
    """Nothing waits in the outbox then, and the index is not empty: only counting tells."""
    sqlite_work.fill(sqlite_work.open(), [1, 2, 3])
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    all_pages, upsert, calls = wanted_points.all_points, EdgeIndex.upsert, iter(range(100))

    def stop_at_third(index: EdgeIndex, points: Points) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        upsert(index, points)

    monkeypatch.setattr(wanted_points, "all_points", lambda engine, space: all_pages(engine, space, 4))
    monkeypatch.setattr(EdgeIndex, "upsert", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        sqlite_work.open().projection()
    store = sqlite_work.open()
    assert reconcile.differences(store.projection()).clean and len(held(store)) == 18


def test_two_spaces_in_one_catalog_do_not_mix(store: FeatureStore, made) -> None:
    """The same segments with vectors of another backbone. Neither index wants what only the other has, but a slot that
    is retired goes from both."""
    other = replace(made.space, backbone="other")
    with transaction(store.engine, write=True) as connection:
        run = ledger.start_run(connection, made.plan(space=other))
    ingest.commit_units(store.engine, store.archive, run, [made.unit(1, per_class=1), made.unit(7)], {})
    store.refresh()
    assert reconcile.differences(store.projection()).clean and len(held(store)) == 15
    with transaction(store.engine) as connection:
        assert wanted_points.count(connection, run.space_id) == 9


def test_the_payload_is_integers_of_sql(store: FeatureStore, made) -> None:
    rows = made.ask(
        store,
        "SELECT s.category_id, s.image_id, i.dataset_id, s.status, s.rev, s.run_id FROM segment s "
        "JOIN image i ON i.id = s.image_id",
    )
    assert PAYLOAD == ("cat", "img", "ds", "st", "rev", "run")
    assert sorted(held(store).values()) == sorted([*row] for row in rows)


def test_a_relay_that_another_process_overtakes_leaves_what_is_true_last(sqlite_work, made, monkeypatch) -> None:
    """This one has read that the cars are there; before it writes, another retires them and its relay deletes them."""
    store = sqlite_work.open()
    run = sqlite_work.fill(store, [1])
    made.change(store, "UPDATE outbox SET done_at = NULL")
    index, written = store.projection().index, []
    original = EdgeIndex.upsert

    def overtaken(self: EdgeIndex, points: Points) -> None:
        if not written:
            made.change(store, "UPDATE segment SET status = 2, rev = rev + 1 WHERE prompt = 'car'")
            index.delete(list(made.ids(store, "prompt = 'car'").values()))
        written.append(len(points))
        original(self, points)

    monkeypatch.setattr(EdgeIndex, "upsert", overtaken)
    sync.relay(store.projection())
    assert written == [6, 4], "it looked again, and wrote again"
    assert reconcile.differences(store.projection()).clean and run.id == 1


def test_a_point_that_is_revived_while_it_is_deleted_stays(sqlite_work, made, monkeypatch) -> None:
    store = sqlite_work.open()
    sqlite_work.fill(store, [1])
    made.change(store, "UPDATE segment SET status = 2, rev = rev + 1 WHERE prompt = 'car'")
    made.announce(store)
    original, revived = EdgeIndex.delete, []

    def delete(self: EdgeIndex, ids: list) -> None:
        if not revived:
            revived.append(made.change(store, "UPDATE segment SET status = 0, rev = rev + 1 WHERE prompt = 'car'"))
        original(self, ids)

    monkeypatch.setattr(EdgeIndex, "delete", delete)
    store.refresh()
    assert revived == [2] and reconcile.differences(store.projection()).clean and len(held(store)) == 6


def test_no_transaction_is_open_while_an_index_is_written(sqlite_work, monkeypatch) -> None:
    """PostgreSQL ends a session that is idle in a transaction; a slow server would be enough."""
    sqlite_work.fill(sqlite_work.open(), [1, 2])
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    store, original, seen = sqlite_work.open(), EdgeIndex.upsert, []

    def upsert(self: EdgeIndex, points: Points) -> None:
        seen.append(store.engine.pool.checkedout())
        original(self, points)

    monkeypatch.setattr(EdgeIndex, "upsert", upsert)
    store.projection()
    assert seen and set(seen) == {0}
