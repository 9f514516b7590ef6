"""The outbox names segments and nothing else, so its rows may be repeated, reordered and split."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from sqlalchemy import Connection, text

from retclip.errors import StoreBusy
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.sql.engine import transaction
from retclip.store.work import outbox
from retclip.store.work.outbox import SEGMENTS_PER_ROW


@pytest.fixture
def store(light_work, made) -> FeatureStore:
    """Six segments, announced in row 1 of version 1, and a second version."""
    opened = light_work.open()
    made.commit(opened, made.unit(1))
    made.change(
        opened,
        "INSERT INTO store_version (space_id, number, index_name, state, created_at) "
        "VALUES (1, 2, 'second', 'building', '2024-01-01 00:00:00')",
    )
    return opened


def announce(store: FeatureStore, versions: list[int], ids: list[int]) -> None:
    with transaction(store.engine, write=True) as connection:
        outbox.announce(connection, versions, ids)


def ask(store: FeatureStore, question, *args: object):
    with transaction(store.engine, write=True) as connection:
        return question(connection, *args)


def test_a_commit_announces_its_segments(store: FeatureStore, made) -> None:
    assert ask(store, outbox.pending, 1, 10) == ([1], [1, 2, 3, 4, 5, 6])
    made.commit(store, made.unit(1, per_class=1))
    assert ask(store, outbox.pending, 1, 10) == ([1, 2], [1, 2, 3, 4, 5, 6]), "retired ones are announced too"
    assert ask(store, outbox.pending, 2, 10) == ([3], [1, 2, 3, 4, 5, 6]), "to every live version"


def test_ids_are_named_once_in_order(store: FeatureStore) -> None:
    for ids in ([9, 7, 9], [8], [7, 2**40]):
        announce(store, [2], ids)
    assert ask(store, outbox.pending, 2, 10) == ([2, 3, 4], [7, 8, 9, 2**40])
    assert ask(store, outbox.pending, 2, 2) == ([2, 3], [7, 8, 9]), "the oldest rows first"


def test_nothing_to_announce(store: FeatureStore) -> None:
    announce(store, [1, 2], [])
    announce(store, [], [1, 2])
    assert ask(store, outbox.pending_count, 1) == 1 and ask(store, outbox.pending_count, 2) == 0
    assert ask(store, outbox.pending, 2, 10) == ([], [])


@pytest.mark.parametrize("count", [SEGMENTS_PER_ROW, SEGMENTS_PER_ROW + 1, 3 * SEGMENTS_PER_ROW])
def test_long_lists_are_split(store: FeatureStore, made, count: int) -> None:
    announce(store, [2], list(range(count)))
    sizes = [
        len(row[0]) // 8 for row in made.ask(store, "SELECT segment_ids FROM outbox WHERE version_id = 2 ORDER BY id")
    ]
    assert sum(sizes) == count and max(sizes) == SEGMENTS_PER_ROW and len(sizes) == -(-count // SEGMENTS_PER_ROW)
    assert ask(store, outbox.pending, 2, 10)[1] == list(range(count))


def test_a_row_is_little_endian_whatever_the_machine(store: FeatureStore, made) -> None:
    announce(store, [2], [1, 258])
    ((blob,),) = made.ask(store, "SELECT segment_ids FROM outbox WHERE version_id = 2")
    assert bytes(blob) == bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0])


def test_rows_that_are_done_wait_no_more(store: FeatureStore) -> None:
    for ids in ([7], [8], [9]):
        announce(store, [2], ids)
    ask(store, outbox.mark_done, [3])
    assert ask(store, outbox.pending, 2, 10) == ([2, 4], [7, 9])
    assert (ask(store, outbox.pending_count, 1), ask(store, outbox.pending_count, 2)) == (1, 2)
    ask(store, outbox.mark_done, [2, 3, 4])
    ask(store, outbox.mark_done, [])
    assert ask(store, outbox.pending_count, 2) == 0


def test_what_was_announced_since(store: FeatureStore) -> None:
    """For an index in memory: it counts rows as it sees them, done by another index or not."""
    for ids in ([7], [8], [9]):
        announce(store, [2], ids)
    ask(store, outbox.mark_done, [4])
    assert ask(store, outbox.announced_since, 2, 0) == (4, [7, 8, 9])
    assert ask(store, outbox.announced_since, 2, 3) == (4, [9])
    assert ask(store, outbox.announced_since, 2, 4) == (4, [])
    assert (ask(store, outbox.newest_row, 1), ask(store, outbox.newest_row, 2)) == (1, 4)
    assert ask(store, outbox.newest_row, 99) == 0


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_repetition_end_in_the_same_index(store: FeatureStore, made, seed: int) -> None:
    """Segments change, and rows about them come shuffled, doubled, late, and about segments that are not there."""
    rng = np.random.default_rng(seed)
    made.commit(store, made.unit(2))
    made.change(store, "UPDATE segment SET status = 1, rev = rev + 1 WHERE id IN (2, 9)")
    made.change(store, "UPDATE segment SET status = 2, rev = rev + 1 WHERE id IN (3, 10)")
    ids = np.concatenate([np.arange(1, 13), rng.integers(1, 15, size=20)])
    rng.shuffle(ids)
    for page in np.array_split(ids, 7):
        announce(store, [1], page.tolist())
    store.refresh()
    assert reconcile.differences(store.projection()).clean
    assert store.projection().index.count() == 10


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_rows_are_numbered_in_the_order_in_which_they_are_committed(light_work, made) -> None:
    """An index in memory remembers the newest number it has seen: of two writers the one who took its number first
    must not come last. SQLite has one writer at a time."""
    reader, writer = light_work.open(), light_work.open()
    made.commit(reader, made.unit(1), made.unit(2))
    held = reader.projection().index

    def retire(connection: Connection, image: int) -> None:
        ids = connection.execute(text(f"SELECT id FROM segment WHERE image_id = {image}")).scalars().all()
        connection.execute(text(f"UPDATE segment SET status = 2, rev = rev + 1 WHERE image_id = {image}"))
        outbox.announce(connection, [1], ids)

    with transaction(writer.engine, write=True) as first:
        retire(first, image=1)
        with suppress(StoreBusy), transaction(writer.engine, write=True) as second:
            second.execute(text("SET LOCAL lock_timeout = '1ms'"))  # it need not wait to be made to
            retire(second, image=2)
        reader.refresh()
    with transaction(writer.engine, write=True) as second:
        retire(second, image=2)
    reader.refresh()
    assert held.count() == 0, "every segment was retired, and the index was told of each"
