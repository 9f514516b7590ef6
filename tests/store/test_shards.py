"""Files held against SQL: what is damaged or gone, and what nobody refers to."""

from __future__ import annotations

import pytest

from retclip.store import reconcile, shards
from retclip.store.engine import transaction
from retclip.store.feature_store import FeatureStore
from retclip.store.shards import damaged_shards, shard_names, unreferenced_shards
from retclip.types import FeatureSpace


@pytest.fixture
def store(light_work) -> FeatureStore:
    """Three shards, one for each commit."""
    opened = light_work.open()
    light_work.fill(opened, [1, 2, 3], chunk=1)
    return opened


def found(store: FeatureStore) -> tuple[list[str], list[str]]:
    with transaction(store.engine) as connection:
        names, spare = shard_names(connection), unreferenced_shards(connection, store.archive)
    return damaged_shards(store.archive, names), spare


def test_a_whole_archive(store: FeatureStore) -> None:
    assert len(store.archive.names()) == 3
    assert found(store) == ([], [])


def test_each_kind_of_damage_is_named(store: FeatureStore) -> None:
    flipped, short, gone = sorted(store.archive.names())
    content = bytearray(store.archive.path(flipped).read_bytes())
    content[-1] ^= 1
    store.archive.path(flipped).write_bytes(content)
    store.archive.path(short).write_bytes(store.archive.path(short).read_bytes()[:-1])
    store.archive.path(gone).unlink()
    damaged, unreferenced = found(store)
    assert sorted(damaged) == [flipped, short, gone]
    assert unreferenced == [], "a damaged file is still one that SQL names"


def test_a_shard_nobody_names(store: FeatureStore, made) -> None:
    """What a build leaves that was killed between its shard and its transaction."""
    left = sorted(store.archive.write(made.unit(number).vectors) for number in (8, 9))
    assert found(store) == ([], left)


def test_an_empty_store(light_work) -> None:
    assert found(light_work.open()) == ([], [])


def test_vectors_that_add_space_made_are_forgotten_so_that_it_makes_them_again(work, made) -> None:
    """The first space's own shards are built again instead, and its units leave the ledger; nothing else does."""
    other = FeatureSpace("test.other", "none", "none", "area-1", 4)
    store = work.open()
    made.commit(store, made.unit(1), made.unit(2))
    run = made.adding(store, other)
    made.give(store, run, other, made.lacking(store, 2, 1))
    made.give(store, run, other, made.lacking(store, 2, 2))
    built, first, _ = (name for (name,) in made.ask(store, "SELECT sha256 FROM feature_shard ORDER BY id"))
    with transaction(store.engine, write=True) as connection:
        assert shards.build_again(connection, [first]) == []
        assert shards.add_again(connection, [first]) == ["test.other"]
    assert made.ask(store, "SELECT count(*) FROM unit") == [(2,)]
    state = store.spaces()[1]
    assert (state.segments, state.lacking, state.pending) == (6, 6, 1)
    store.refresh()
    assert store.projection(other).index.count() == 6 and reconcile.differences(store.projection(other)).clean
    made.give(store, made.adding(store, other), other, made.lacking(store, 2, 1))
    assert store.spaces()[1].complete and reconcile.differences(store.projection(other)).clean
    with transaction(store.engine, write=True) as connection:
        assert shards.add_again(connection, [built]) == []
        assert shards.build_again(connection, [built]) == ["test:"]
    assert made.ask(store, "SELECT count(*) FROM unit") == [(0,)]
