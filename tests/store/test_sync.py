"""The index follows SQL: the relay for what changed, the reconcile job for everything, on every kind of index."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
import torch

from retclip.errors import StoreDamaged
from retclip.store import ingest, ledger, sync, wanted_points
from retclip.store.engine import transaction
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.vectors import CLASS, PAYLOAD, REVISION, STATE, Points
from retclip.store.vectors.edge import EdgeIndex

INDEXES = {"edge": {}, "server": {"qdrant_url": ":memory:"}, "resident": {}}
KINDS = ("missing", "orphan", "stale", "damaged")


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
    return sync.differences(store.projection(), check_vectors=False).pending


def put(store: FeatureStore, point_id: UUID, payload: list[int], vector: np.ndarray) -> None:
    """Overwrite what the index holds, past its revision guard."""
    index = store.projection().index
    index.delete([point_id])
    index.upsert(Points([point_id], vector[None], np.array([payload])))


def hurt(store: FeatureStore, kind: str, point_id: UUID) -> UUID:
    """Make the index wrong in one way; the id that should be named."""
    index = store.projection().index
    payload, vector = held(store)[point_id], index.vectors([point_id])[point_id]
    if kind == "missing":
        index.delete([point_id])
    elif kind == "orphan":
        point_id = UUID(int=7)
        put(store, point_id, payload, vector)
    elif kind == "stale":  # of equal revision, as a lost update would leave it
        put(store, point_id, [payload[CLASS] + 1, *payload[1:]], vector)
    else:
        put(store, point_id, payload, np.roll(vector, 1))
    return point_id


def test_the_relay_leaves_nothing_to_do(store: FeatureStore) -> None:
    assert sync.differences(store.projection()) == sync.Differences((), (), (), (), pending(store))
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
    assert sync.differences(store.projection()).stale, "nobody was told yet"
    made.announce(store, "image_id = 1")
    store.refresh()
    now = held(store)
    assert [now[ids["car", n]][STATE] for n in (0, 1)] == [1, 1] and now[ids["car", 0]][REVISION] == 5
    assert ids["road", 0] not in now and ids["road", 1] not in now and len(now) == 16
    assert sync.differences(store.projection()).clean


def test_many_rows_take_several_rounds(store: FeatureStore, made, monkeypatch) -> None:
    monkeypatch.setattr(sync, "ROWS_PER_ROUND", 2)
    made.change(store, "UPDATE segment SET rev = rev + 1")
    for image in (1, 2, 3, 1, 2):
        made.announce(store, "image_id = :image", image=image)
    store.refresh()
    assert sync.differences(store.projection()).clean


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


@pytest.mark.parametrize("kind", KINDS)
def test_reconcile_finds_and_repairs(store: FeatureStore, made, kind: str) -> None:
    before = held(store)
    wrong = hurt(store, kind, made.ids(store, "image_id = 2")["car", 1])
    found = sync.reconcile(store.projection(), repair=True)
    assert {one: getattr(found, one) for one in KINDS} == {one: (wrong,) if one == kind else () for one in KINDS}
    assert held(store) == before and sync.differences(store.projection()).clean
    columns = "missing, orphan, stale, damaged, repaired"
    expected = (*(int(one == kind) for one in KINDS), True)
    assert made.ask(store, f"SELECT {columns} FROM reconcile_run") == [expected]


def test_a_check_changes_nothing(store: FeatureStore, made) -> None:
    for number, kind in enumerate(KINDS):
        hurt(store, kind, made.ids(store, "image_id = 2")["car" if number % 2 else "road", number // 2])
    made.announce(store, "image_id = 1")
    before, waiting = held(store), pending(store)
    found = sync.reconcile(store.projection(), repair=False)
    assert [len(getattr(found, kind)) for kind in KINDS] == [1, 1, 1, 1] and found.pending == waiting > 0
    assert held(store) == before and pending(store) == waiting
    assert made.ask(store, "SELECT count(*) FROM reconcile_run") == [(0,)]


def test_vectors_are_only_compared_when_asked(store: FeatureStore, made) -> None:
    hurt(store, "damaged", made.ids(store, "image_id = 2")["car", 1])
    assert sync.differences(store.projection(), check_vectors=False).clean
    assert not sync.differences(store.projection()).clean


def test_a_damaged_archive_is_not_the_indexs_fault(store: FeatureStore, made) -> None:
    """The index may hold the only whole copy: nothing in it is called damaged, and nothing is overwritten."""
    for name in store.archive.names():
        store.archive.path(name).write_bytes(b"")
    store.archive._open.clear()
    before = held(store)
    assert sync.reconcile(store.projection(), repair=True).clean and held(store) == before
    hurt(store, "missing", made.ids(store, "image_id = 2")["car", 1])
    with pytest.raises(StoreDamaged):
        sync.reconcile(store.projection(), repair=True)


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
    sync.reconcile(in_memory.projection(), repair=True)
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

    monkeypatch.setattr(wanted_points, "all_points", lambda connection, space: all_pages(connection, space, 4))
    monkeypatch.setattr(EdgeIndex, "upsert", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        sqlite_work.open().projection()
    store = sqlite_work.open()
    assert sync.differences(store.projection()).clean and len(held(store)) == 18


def test_two_spaces_in_one_catalog_do_not_mix(store: FeatureStore, made) -> None:
    """The same segments with vectors of another backbone. Neither index wants what only the other has, but a slot that
    is retired goes from both."""
    other = replace(made.space, backbone="other")
    with transaction(store.engine, write=True) as connection:
        run = ledger.start_run(connection, made.plan(space=other))
    ingest.commit_units(store.engine, store.archive, run, [made.unit(1, per_class=1), made.unit(7)], {})
    store.refresh()
    assert sync.differences(store.projection()).clean and len(held(store)) == 15
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
