"""The store as one thing: made, opened, refused, closed; whichever index answers, the answer is the same."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from sqlalchemy import text

from retclip.errors import ConfigError, SpaceMismatch, StoreBehind, StoreBusy, StoreDamaged, StoreError, StoreMissing
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import reconcile
from retclip.store.sql import schema
from retclip.store.sql.engine import transaction

RESIDENT = StoreOptions(index="resident")
INDEXES = (StoreOptions(), RESIDENT, StoreOptions(index="server", qdrant_url=":memory:"))


def query(count: int = 4) -> torch.Tensor:
    found = torch.randn(count, 8, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.normalize(found, dim=1)


def test_create_then_open(work, made) -> None:
    with FeatureStore.create(work.folder, work.options) as store:
        assert store.spaces.first() is None and store.classes.all() == []
        made.commit(store, made.unit(1))
        known = store.segments.get(list(made.ids(store).values()))
    with FeatureStore.open(work.folder, work.options) as store:
        assert store.spaces.first() == made.space
        assert store.segments.get(list(known)) == known and len(known) == 6
        assert store.projection().index.count() == 6


def test_a_store_that_nobody_holds_ends_without_the_garbage_collector(sqlite_work, made) -> None:
    """A circle would keep the lock of its index, and the next build of the same program would wait for itself."""
    store = FeatureStore.create(sqlite_work.folder, sqlite_work.options)
    store.runs.finish(made.commit(store, made.unit(1)), "finished", {})
    store.classes.rename("car", "auto", "ann")
    store.nearest(query(), [1, 2], 3, False, made.space)
    store.prototypes(query(), [1, 2], 1, made.space)
    assert None not in (store.matches, store.history, store.traces, store.trust, store.maintenance)
    ended = weakref.ref(store)
    gc.disable()
    try:
        del store
        assert ended() is None
        FeatureStore.open(sqlite_work.folder).projection()  # the lock is free
    finally:
        gc.enable()


def test_a_store_is_not_made_twice(sqlite_work, made) -> None:
    made.commit(sqlite_work.open(), made.unit(1))
    with pytest.raises(StoreError, match="there already"):
        FeatureStore.create(sqlite_work.folder)
    assert len(FeatureStore.open(sqlite_work.folder).classes.all()) == 3


def test_a_folder_that_holds_other_things_may_become_a_store(tmp_path) -> None:
    (tmp_path / "retclip.toml").write_text("[store]\n")
    FeatureStore.create(tmp_path).close()
    assert (tmp_path / "retclip.toml").read_text() == "[store]\n"


def test_creating_that_was_stopped_may_be_repeated(work) -> None:
    """The archive's folder comes last, so a store without it is none yet; its tables may be there."""
    FeatureStore.create(work.folder, work.options).close()
    (work.folder / "archive").rmdir()
    with pytest.raises(StoreMissing):
        FeatureStore.open(work.folder, work.options)
    with FeatureStore.create(work.folder, work.options) as store:
        assert schema.differences(store.engine) == []


def test_no_store_there(tmp_path) -> None:
    with pytest.raises(StoreMissing, match="retclip init"):
        FeatureStore.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists(), "looking makes nothing"


def test_a_store_of_another_time(work) -> None:
    store = work.open()
    with transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(StoreBehind, match="db upgrade"):
        FeatureStore.open(work.folder, work.options)


def test_an_empty_store_has_no_index(sqlite_work) -> None:
    with pytest.raises(StoreMissing, match="retclip build"):
        sqlite_work.open().projection()


@pytest.mark.parametrize(
    "other", [{"backbone": "b"}, {"weights": "f" * 64}, {"preprocessing": "x"}, {"pooling": "x"}, {"dim": 9}]
)
def test_vectors_of_another_space_are_refused(sqlite_work, made, other: dict) -> None:
    store = sqlite_work.open()
    strange = replace(made.space, **other)
    store.spaces.require(strange)  # an empty store takes any
    made.commit(store, made.unit(1))
    store.spaces.require(made.space)
    with pytest.raises(SpaceMismatch, match=rf"--backbone {made.space.backbone}"):
        store.spaces.require(strange)
    with pytest.raises(SpaceMismatch):
        store.runs.start(made.plan(space=strange))
    assert made.ask(store, "SELECT count(*) FROM run") == [(1,)], "and no run was begun"


def test_every_index_gives_the_same_answer(sqlite_work, made) -> None:
    sqlite_work.fill(sqlite_work.open(), range(12), chunk=5)
    made.change(sqlite_work.open(), "UPDATE segment SET status = 1, rev = 2 WHERE id % 5 = 0")
    made.announce(sqlite_work.open(), "id % 5 = 0")
    sqlite_work.close()
    answers = []
    for options in INDEXES:
        with FeatureStore.open(sqlite_work.folder, options) as store:
            ids = [one.id for one in store.classes.all()]
            for per_class in (True, False):
                found = store.nearest(query(), [ids[1], None, ids[0]], 6, per_class)
                answers.append((per_class, found.ids.tolist(), found.classes.tolist(), found.supported.tolist()))
                answers[-1] += (np.round(found.distances.numpy(), 3).tolist(),)
    for per_class in (0, 1):
        first, *others = answers[per_class::2]
        for other in others:
            assert other[:4] == first[:4]
            np.testing.assert_allclose(other[4], first[4], atol=3e-3)  # edge and server keep float16


def test_who_wants_to_write_into_a_busy_store_is_told_who_holds_it(sqlite_work, made) -> None:
    made.commit(sqlite_work.open(), made.unit(1))
    with FeatureStore.open(sqlite_work.folder) as second:
        assert len(second.classes.all()) == 3, "questions to SQL need no lock"
        with pytest.raises(StoreBusy, match=rf"process {os.getpid()}.*store\.index=resident"):
            second.runs.start(made.plan())
        with FeatureStore.open(sqlite_work.folder, RESIDENT) as reader:
            assert reader.nearest(query(), [1], 3, True).supported.tolist() == [True]
        sqlite_work.close()
        assert second.projection().index.count() == 6, "free again"


def test_who_asks_a_busy_store_is_answered_from_memory_and_told_so(sqlite_work, made, caplog) -> None:
    """Beside a running build: the same answer, once said, with what the builder stores meanwhile, and no lock taken."""
    builder = sqlite_work.open()
    sqlite_work.fill(builder, [1, 2])
    wanted = builder.nearest(query(), [1, 2], 9, False)
    with FeatureStore.open(sqlite_work.folder) as reader:
        answer = reader.nearest(query(), [1, 2], 9, False)
        assert answer.ids.tolist() == wanted.ids.tolist() and answer.classes.tolist() == wanted.classes.tolist()
        np.testing.assert_allclose(answer.distances.numpy(), wanted.distances.numpy(), atol=3e-3)  # float16 there
        sqlite_work.fill(builder, [3])
        builder.classes.remove("car", "ann")
        seen = {one for one in reader.nearest(query(), [1, 2], 99, False).ids[0] if one is not None}
        assert seen == {one for one in builder.nearest(query(), [1, 2], 99, False).ids[0] if one is not None}
        assert len(seen) == 6, "three roads of two segments; the cars are gone"
        sqlite_work.close()
        reader.nearest(query(), [1, 2], 9, False)
        with FeatureStore.open(sqlite_work.folder) as next_builder:
            next_builder.runs.start(made.plan())  # the reader did not take what became free
    (told,) = [record.getMessage() for record in caplog.records if record.name == "retclip.store.index.indexes"]
    assert f"held by process {os.getpid()}" in told and "12 vectors" in told and "memory" in told


@pytest.mark.parametrize("options", INDEXES)
def test_closing_twice(sqlite_work, made, options: StoreOptions) -> None:
    sqlite_work.options = options
    store = sqlite_work.open()
    store.close()
    made.commit(store, made.unit(1))
    store.close()
    store.close()
    with FeatureStore.open(sqlite_work.folder, options) as again:
        assert again.projection().index.count() == 6


def test_an_index_folder_deleted_by_hand_is_made_again(work, made) -> None:
    store = work.open()
    work.fill(store, [1, 2, 3])
    before = store.nearest(query(), [1, 2], 4, True)
    work.close()
    shutil.rmtree(work.folder / "index")
    store = work.open()
    after = store.nearest(query(), [1, 2], 4, True)
    assert after.ids.tolist() == before.ids.tolist()
    torch.testing.assert_close(after.distances, before.distances, atol=1e-3, rtol=0)
    assert reconcile.differences(store.projection()).clean


def test_half_an_index_never_answers(sqlite_work, made) -> None:
    """Making it again fails on a damaged archive: each question must say so, not only the first one."""
    made.commit(sqlite_work.open(), made.unit(1))
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    store = sqlite_work.open()
    (name,) = store.archive.names()
    whole = store.archive.path(name).read_bytes()
    store.archive.path(name).write_bytes(whole[:-2])
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=name):
            store.nearest(query(), [1], 3, True)
    store.archive.path(name).write_bytes(whole)
    assert store.nearest(query(), [1], 3, True).supported.tolist() == [True], "and the lock was given back"


def test_what_a_crash_left_is_applied_on_opening(work, made) -> None:
    made.commit(work.open(), made.unit(1))
    made.change(work.opened[0], "UPDATE segment SET status = 2, rev = 2 WHERE prompt = 'car'")
    made.announce(work.opened[0], "prompt = 'car'")
    work.close()
    assert work.open().projection().index.count() == 4


def test_an_open_index_in_memory_sees_what_another_process_stored(work, made) -> None:
    def found(store: FeatureStore) -> int:
        return sum(one is not None for one in store.nearest(query(), [1], 20, False).ids[0])

    builder = work.open()
    work.fill(builder, [1])
    with FeatureStore.open(work.folder, replace(RESIDENT, database=work.options.database)) as reader:
        assert found(reader) == 2
        work.fill(builder, [2, 3])
        assert found(reader) == 6


def test_two_first_builds_with_different_backbones_cannot_both_begin(work, made) -> None:
    begun, refused = [], []

    def begin(backbone: str) -> None:
        with FeatureStore.open(work.folder, replace(RESIDENT, database=work.options.database)) as store:
            barrier.wait()
            try:
                begun.append(store.runs.start(made.plan(space=replace(made.space, backbone=backbone))))
            except SpaceMismatch as error:
                refused.append(error)

    work.open()
    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=begin, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(refused)) == (1, 1)
    assert made.ask(work.opened[0], "SELECT count(*) FROM feature_space") == [(1,)]


def test_a_run_that_cannot_begin_is_not_recorded_as_running(sqlite_work, made) -> None:
    made.commit(sqlite_work.open(), made.unit(1))
    with FeatureStore.open(sqlite_work.folder) as second:
        with pytest.raises(StoreBusy):
            second.runs.start(made.plan())
        assert made.ask(second, "SELECT count(*) FROM run") == [(1,)]


def test_a_builder_goes_on_where_a_part_of_the_archive_cannot_be_read(sqlite_work, made) -> None:
    """Building again is the cure, so it must not be refused; a question is, until all is there again."""
    made.commit(sqlite_work.open(), made.unit(1))
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "index")
    store = sqlite_work.open()
    (name,) = store.archive.names()
    store.archive.path(name).unlink()
    made.commit(store, made.unit(2))
    with pytest.raises(StoreDamaged):
        store.nearest(query(), [1], 3, True)
    made.commit(store, made.unit(1))
    assert store.nearest(query(), [1], 3, True).supported.tolist() == [True]
    assert reconcile.differences(store.projection()).clean


def test_an_index_of_no_known_kind_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="faiss"):
        StoreOptions(index="faiss")


@pytest.mark.parametrize("options", [{"index": "server"}, {"index": "server", "qdrant_url": "host:6333"}])
def test_an_index_that_cannot_be_is_a_wrong_setting(sqlite_work, made, options: dict) -> None:
    made.commit(sqlite_work.open(), made.unit(1))
    with FeatureStore.open(sqlite_work.folder, StoreOptions(**options)) as store, pytest.raises(ConfigError):
        store.projection()
