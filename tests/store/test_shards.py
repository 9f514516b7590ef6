"""Files held against SQL: what is damaged or gone, and what nobody refers to."""

from __future__ import annotations

import pytest

from retclip.store.engine import transaction
from retclip.store.feature_store import FeatureStore
from retclip.store.shards import damaged_shards, shard_names, unreferenced_shards


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
