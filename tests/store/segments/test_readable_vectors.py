"""Questions beside negative examples while a shard of the archive is damaged: answered from the index, and told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from retclip.errors import StoreDamaged
from retclip.store.feature_store import FeatureStore, StoreOptions

NAMES = ("road", "car", "tree")
KINDS = ("zeroed", "cut", "gone", "of another")


def near(store: FeatureStore, made):
    rows = {one.name: one.id for one in store.classes.all()}
    return store.nearest(torch.eye(made.dim), [rows.get(name) for name in NAMES], 9, False)


@pytest.fixture(params=[20_000, 10])
def told(request, sqlite_work, made):
    """A store with negative examples, in several shards; the embedded index answers, or a copy in memory."""
    sqlite_work.options = StoreOptions(exact_below=request.param)
    store = sqlite_work.open()
    for number in range(1, 5):
        made.commit(store, made.unit(number))
    trees = [made.ids(store, f"image_id = {photo}")["tree", 0] for photo in (1, 2)]
    store.segments.reject(trees, "car", "ann")
    answer = near(store, made)
    sqlite_work.close()
    return answer


def damage(shard: Path, kind: str) -> None:
    whole = shard.read_bytes()
    if kind == "gone":
        shard.unlink()
    else:
        others = next(path for path in shard.parent.parent.rglob("*.npy") if path != shard).read_bytes()
        shard.write_bytes({"zeroed": bytes(len(whole)), "cut": whole[:-20], "of another": others}[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_each_damaged_shard_leaves_the_answer_and_is_told_once(sqlite_work, made, told, caplog, kind: str) -> None:
    for shard in sorted((sqlite_work.folder / "archive").rglob("*.npy")):
        whole = shard.read_bytes()
        damage(shard, kind)
        caplog.clear()
        store = sqlite_work.open()
        found, again = near(store, made), near(store, made)
        sqlite_work.close()
        shard.write_bytes(whole)
        for one in (found, again):
            assert (one.ids == told.ids).all() and (one.negatives.ids == told.negatives.ids).all()
            assert torch.equal(one.classes, told.classes)
            assert torch.allclose(one.negatives.distances, told.negatives.distances, atol=1e-4)
            assert torch.allclose(one.decorrelated, told.decorrelated, atol=1e-4)
        said = [one.getMessage() for one in caplog.records if "negative examples" in one.getMessage()]
        assert (
            said
            and len(set(said)) == len(said)
            and all(shard.name in one and "To mend it: restore" in one for one in said)
        )


def test_what_neither_archive_nor_index_has_is_an_error_or_said_to_be_missing(sqlite_work, made, told, caplog) -> None:
    """A retired segment has no point: it is missing among those that decorrelate. Without an index the archive's fault
    stays an error."""
    store = sqlite_work.open()
    store.segments.retire([made.ids(store, "image_id = 3")["road", 0]], "ann")
    wanted = near(store, made)
    sqlite_work.close()
    for shard in (sqlite_work.folder / "archive").rglob("*.npy"):
        shard.unlink()
    store = sqlite_work.open()
    found = near(store, made)
    assert (found.ids == wanted.ids).all() and "23 of 24" in caplog.text
    sqlite_work.close()
    store = sqlite_work.open()
    store._indexes.vectors = lambda *_: {}
    with pytest.raises(StoreDamaged, match=r"\.npy"):
        near(store, made)
