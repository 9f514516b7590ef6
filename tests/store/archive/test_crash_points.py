"""Stop the program after every single step of the store's protocol; nothing acknowledged is lost, nothing is left over.

The n-th step raises, for n = 0, 1, 2 ... until a run ends by itself. After each crash either the whole job runs again,
or only the relay; in both cases SQL, archive and index must agree.
"""

from __future__ import annotations

from functools import partial

import pytest

from retclip.store.index import reconcile
from retclip.store.repair import damaged_shards, shard_names
from retclip.store.sql.engine import transaction
from retclip.types import FeatureSpace

UNITS = range(5)
SEGMENTS = 5 * 6
SECOND = FeatureSpace("test.second", "none", "none", "area-1", 4)


def state(work) -> tuple[int, set, list[str]]:
    """How many segments are visible, what the index holds, and every difference between truth and index."""
    store = work.open()
    projection = store.projection()
    found = reconcile.differences(projection)
    held = {point_id for point_id, _ in projection.index.scan()}
    with transaction(store.engine) as connection:
        names = shard_names(connection)
    broken = damaged_shards(store.archive, names)
    wrong = [*map(str, (*found.missing, *found.orphan, *found.stale, *found.damaged)), *broken]
    total = sum(one.segments for one in store.classes.all())
    assert found.pending == 0
    work.close()
    return total, held, wrong


@pytest.fixture
def undisturbed(tmp_path):
    from retclip.store.feature_store import FeatureStore

    def ids(work) -> set:
        calm = type(work)(tmp_path / "calm", type(work.options)())
        store = calm.open()
        assert isinstance(store, FeatureStore)
        calm.fill(store, UNITS)
        held = {point_id for point_id, _ in store.projection().index.scan()}
        calm.close()
        return held

    return ids


def survives(work, stopped_at, step: int, expected: set) -> bool:
    """Whether the run was stopped at that step; and what must hold after it, relayed and repeated."""
    store = work.open()
    stopped = stopped_at(step, lambda: work.fill(store, UNITS))
    work.close()
    if stopped:
        total, held, wrong = _after_relay(work)
        assert wrong == [] and len(held) == total and held <= expected, f"only the relay after step {step}"
        work.fill(work.open(), UNITS)
        work.close()
    assert state(work) == (SEGMENTS, expected, []), f"the job again after step {step}"
    return stopped


def test_every_step_can_be_the_last(sqlite_work, undisturbed, stopped_at) -> None:
    expected = undisturbed(sqlite_work)
    assert len(expected) == SEGMENTS
    base, step = sqlite_work.folder, 0
    while True:
        sqlite_work.folder = base.with_name(f"store{step}")
        if not survives(sqlite_work, stopped_at, step, expected):
            break
        step += 1
    assert step > 15, "the protocol has more steps than that"


def test_postgresql_survives_too(cluster, tmp_path, undisturbed, sqlite_work, stopped_at) -> None:
    """Every third step, each over an empty database."""
    expected = undisturbed(sqlite_work)
    for step in range(0, 60, 3):
        url = cluster.migrated()
        work = type(sqlite_work)(tmp_path / f"pg{step}", type(sqlite_work.options)(database=url))
        if not survives(work, stopped_at, step, expected):
            return
        cluster.give_back(url)
    raise AssertionError("the run never came to its end")


def _after_relay(work) -> tuple[int, set, list[str]]:
    store = work.open()
    if store.spaces.first() is None:  # stopped before the first row: there is nothing to agree about
        work.close()
        return 0, set(), []
    work.close()
    return state(work)


def test_a_lost_index_is_rebuilt_from_sql_and_archive(work) -> None:
    import shutil

    store = work.open()
    work.fill(store, UNITS)
    work.close()
    shutil.rmtree(work.folder / "index")
    total, held, wrong = state(work)
    assert (total, len(held), wrong) == (SEGMENTS, SEGMENTS, [])


def add_space(store, made) -> None:
    """Give every segment its vector in a second space, image by image, as `workflows.add_space` does; one mask of each
    image is let go."""
    run = made.adding(store, SECOND)
    for (image,) in made.ask(store, "SELECT id FROM image ORDER BY id"):
        masks = made.lacking(store, run.space_id, image)
        if masks:
            made.give(store, run, SECOND, masks[:-1], masks[-1:])


def test_adding_a_space_survives_every_step_too(work, made, stopped_at) -> None:
    """Stopped after each step, the next run goes on with what lacks, and the first space does not notice. Over
    PostgreSQL after every fourth."""
    work.fill(work.open(), UNITS)
    work.close()
    first = state(work)
    for step in range(0, 10**9, 4 if work.options.database else 1):
        stopped = stopped_at(step, partial(add_space, work.open(), made))
        work.close()
        store = work.open()
        found = [one for one in store.spaces.all() if one.space == SECOND]
        if found:
            projection = store.projection(SECOND)
            differences = reconcile.differences(projection)
            assert differences.clean and differences.pending == 0 and projection.index.count() == found[0].segments
        add_space(store, made)
        (_, second) = store.spaces.all()
        assert (second.segments, second.lacking, second.without) == (SEGMENTS - 5, 0, 5), f"step {step}"
        assert reconcile.differences(store.projection(SECOND)).clean
        assert damaged_shards(store.archive, sorted(store.archive.names())) == []
        work.close()
        assert state(work) == first, f"step {step}"
        if not stopped:
            break
        forget_second(work, made)
    assert step > 15, "the protocol has more steps than that"


def forget_second(work, made) -> None:
    """Back to before, so that the next round begins with nothing."""
    store = work.open()
    if len(store.spaces.all()) > 1:
        store.maintenance.drop_index(SECOND)
    versions, runs = (f"SELECT id FROM {table} WHERE space_id > 1" for table in ("store_version", "run"))
    for table, which in (
        ("segment_feature", "space_id > 1"), ("feature_gap", "space_id > 1"), ("outbox", f"version_id IN ({versions})"),
        ("store_version", "space_id > 1"), ("feature_shard", f"run_id IN ({runs})"), ("run", "space_id > 1"),
        ("feature_space", "id > 1"),
    ):  # fmt: skip
        made.change(store, f"DELETE FROM {table} WHERE {which}")
    work.close()
