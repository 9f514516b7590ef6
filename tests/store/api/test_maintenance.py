"""What `doctor` and `db` ask of an open store."""

from __future__ import annotations

from retclip.store.feature_store import FeatureStore
from retclip.store.sql.tables import SCHEMA_HEAD


def test_a_whole_store_has_nothing_to_mend(store: FeatureStore) -> None:
    keep = store.maintenance
    assert keep.schema_revision() == SCHEMA_HEAD and keep.schema_differences() == []
    assert keep.check_catalog().whole
    names, spare = keep.shards()
    assert len(names) == 1 and spare == [] == keep.damaged_shards(names)


def test_a_shard_that_is_gone_is_found_and_its_work_is_to_be_done_again(store: FeatureStore, made) -> None:
    ((name,), _) = store.maintenance.shards()
    assert made.ask(store, "SELECT count(*) FROM unit") == [(2,)]
    for file in store.archive.folder.rglob(f"*{name}*"):
        file.unlink()
    assert store.maintenance.damaged_shards([name]) == [name]
    ((again,), backbones) = store.maintenance.forget_shards([name])
    assert (again.kind, again.source, backbones) == ("build", "test:", [])
    assert made.ask(store, "SELECT count(*) FROM unit") == [(0,)]


def test_indexes_are_made_again_and_upgrading_what_is_new_changes_nothing(store: FeatureStore) -> None:
    store.maintenance.remake_catalog_indexes()
    store.maintenance.upgrade_schema()
    assert store.maintenance.check_catalog().whole and len(store.classes.all()) == 3
