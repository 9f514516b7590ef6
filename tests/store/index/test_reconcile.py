"""What an index holds otherwise than SQL and the archive: found both ways, repaired, and never guessed at."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from retclip.errors import StoreDamaged
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import reconcile, sync, wanted_points
from retclip.store.index.protocol import CLASS, Points

INDEXES = {"edge": {}, "server": {"qdrant_url": ":memory:"}, "resident": {}}
KINDS = ("missing", "orphan", "stale", "damaged")


@pytest.fixture(params=INDEXES)
def store(request, sqlite_work) -> FeatureStore:
    """Three images, 18 segments."""
    sqlite_work.options = StoreOptions(index=request.param, **INDEXES[request.param])
    opened = sqlite_work.open()
    sqlite_work.fill(opened, [1, 2, 3])
    return opened


def held(store: FeatureStore) -> dict[UUID, list[int]]:
    return {point_id: row.tolist() for point_id, row in store.projection().index.scan()}


def pending(store: FeatureStore) -> int:
    return reconcile.differences(store.projection(), check_vectors=False).pending


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


@pytest.mark.parametrize("kind", KINDS)
def test_reconcile_finds_and_repairs(store: FeatureStore, made, kind: str) -> None:
    before = held(store)
    wrong = hurt(store, kind, made.ids(store, "image_id = 2")["car", 1])
    found = reconcile.reconcile(store.projection(), repair=True)
    assert {one: getattr(found, one) for one in KINDS} == {one: (wrong,) if one == kind else () for one in KINDS}
    assert held(store) == before and reconcile.differences(store.projection()).clean
    columns = "missing, orphan, stale, damaged, repaired"
    expected = (*(int(one == kind) for one in KINDS), True)
    assert made.ask(store, f"SELECT {columns} FROM reconcile_run") == [expected]


def test_a_check_changes_nothing(store: FeatureStore, made) -> None:
    for number, kind in enumerate(KINDS):
        hurt(store, kind, made.ids(store, "image_id = 2")["car" if number % 2 else "road", number // 2])
    made.announce(store, "image_id = 1")
    before, waiting = held(store), pending(store)
    found = reconcile.reconcile(store.projection(), repair=False)
    assert [len(getattr(found, kind)) for kind in KINDS] == [1, 1, 1, 1] and found.pending == waiting > 0
    assert held(store) == before and pending(store) == waiting
    assert made.ask(store, "SELECT count(*) FROM reconcile_run") == [(0,)]


def test_vectors_are_only_compared_when_asked(store: FeatureStore, made) -> None:
    hurt(store, "damaged", made.ids(store, "image_id = 2")["car", 1])
    assert reconcile.differences(store.projection(), check_vectors=False).clean
    assert not reconcile.differences(store.projection()).clean


def test_a_damaged_archive_is_not_the_indexs_fault(store: FeatureStore, made) -> None:
    """The index may hold the only whole copy: nothing in it is called damaged, and nothing is overwritten."""
    for name in store.archive.names():
        store.archive.path(name).write_bytes(b"")
    store.archive._open.clear()
    before = held(store)
    assert reconcile.reconcile(store.projection(), repair=True).clean and held(store) == before
    hurt(store, "missing", made.ids(store, "image_id = 2")["car", 1])
    with pytest.raises(StoreDamaged):
        reconcile.reconcile(store.projection(), repair=True)


def test_what_changed_since_it_was_found_is_not_undone(store: FeatureStore, made, monkeypatch) -> None:
    """Found as orphans, revived by a builder before the repair gets to them: they must stay."""
    made.change(store, "UPDATE segment SET status = 2, rev = rev + 1 WHERE prompt = 'car'")
    original = reconcile.differences

    def and_then_revived(projection: sync.Projection) -> reconcile.Differences:
        found = original(projection)
        assert len(found.orphan) == 6
        made.change(store, "UPDATE segment SET status = 0, rev = rev + 1 WHERE prompt = 'car'")
        return found

    monkeypatch.setattr(reconcile, "differences", and_then_revived)
    reconcile.reconcile(store.projection(), repair=True)
    assert original(store.projection()).clean and len(held(store)) == 18


def test_an_index_that_another_engine_followed_last_is_compared_whole(sqlite_work, made) -> None:
    """Counts agree and nothing waits, because the other engine's relay marked its rows done: still all is wrong."""
    sqlite_work.fill(sqlite_work.open(), [1, 2])
    edge = sqlite_work.open()
    ledger_says = "SELECT home FROM store_version"
    assert made.ask(edge, ledger_says) == [("edge",)]
    sqlite_work.close()
    server = FeatureStore.open(sqlite_work.folder, StoreOptions(index="server", qdrant_url=":memory:"))
    assert reconcile.differences(server.projection()).clean, "an empty server is loaded"
    sqlite_work.fill(server, [3])
    made.change(server, "UPDATE segment SET status = 2, rev = rev + 1 WHERE image_id = 1")
    made.change(server, "UPDATE segment SET rev = rev + 1 WHERE image_id = 2")
    made.announce(server)
    server.refresh()
    assert made.ask(server, ledger_says) == [(":memory:",)] and pending(server) == 0
    server.close()
    again = sqlite_work.open()
    assert again.projection().index.count() == 12
    assert reconcile.differences(again.projection()).clean
    assert made.ask(again, ledger_says) == [("edge",)]


def test_a_vector_may_differ_by_the_last_bit_of_float16_and_by_no_more(store: FeatureStore, made) -> None:
    """Half a step of rounding on each side; the bit above it is damage, however little the cosine shows of it."""
    projection = store.projection()
    point = sync.archived(projection, points_of(projection)[:1])[0]
    one_step, two_bits = point.copy(), point.copy()
    one_step[0] = np.nextafter(np.float16(point[0]), np.float16(2))
    two_bits[0] += abs(point[0]) * 2.0**-9
    assert 1 - point @ two_bits / np.linalg.norm(two_bits) < 1e-5
    for stored, damaged in ((one_step, False), (two_bits, True), (np.full_like(point, np.nan), True)):
        found = reconcile._damaged(
            replace(projection, index=Holding(projection.index, stored)), points_of(projection)[:1]
        )
        assert bool(found) is damaged


def points_of(projection):
    return [point for page in wanted_points.all_points(projection.engine, projection.space_id) for point in page]


class Holding:
    """An index that says it holds that vector."""

    def __init__(self, index, vector: np.ndarray) -> None:
        self.dim, self._vector = index.dim, vector

    def vectors(self, ids):
        return dict.fromkeys(ids, self._vector)


class Misfiled:
    """An index whose filters put a point into another class than its payload says."""

    def __init__(self, index, point_id: UUID, to: int | None) -> None:
        self._index, self.point_id, self.to, self.dim = index, point_id, to, index.dim

    def __getattr__(self, name: str):
        return getattr(self._index, name)

    def filtered(self, category: int, state: int):
        found = set(self._index.filtered(category, state)) - {self.point_id}
        return found | ({self.point_id} if (category, state) == (self.to, 0) else set())


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_point_that_filters_do_not_find_where_it_is_is_told(store: FeatureStore, made, elsewhere: bool) -> None:
    point_id, projection = made.ids(store, "image_id = 2")["car", 1], store.projection()
    to = held(store)[point_id][CLASS] + 1 if elsewhere else None
    found = reconcile.differences(replace(projection, index=Misfiled(projection.index, point_id, to)))
    assert found.unfindable == (point_id,) and not found.clean
    assert not (found.missing or found.orphan or found.stale or found.damaged)
