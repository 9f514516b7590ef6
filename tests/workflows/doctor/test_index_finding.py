"""Doctor and a vector index: whatever is wrong with its files, a repair ends with a right one; nothing raw leaves."""

import shutil

import numpy as np
import pytest
from safetensors import safe_open

from retclip.errors import StoreBusy, StoreDamaged, StoreError
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import indexes, kept_rows, sorted_rows
from retclip.store.index.edge import EdgeIndex
from retclip.store.index.reconcile import differences
from retclip.workflows.doctor.index_finding import copy_findings, index_finding


@pytest.fixture
def store(built, tmp_path):
    """A copy of the built store that a test may hurt."""
    with FeatureStore.open(shutil.copytree(built.store, tmp_path / "store")) as opened:
        yield opened


def found(store, repair=False, archive_whole=True):
    return index_finding(store, store.spaces.first(), "index", repair, archive_whole)


FAULTS = [KeyError("cat"), TypeError("not a number"), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), MemoryError()]


@pytest.mark.parametrize("method", ["scan", "vectors", "filtered", "count"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_whatever_is_raised_while_it_is_read_drops_and_reloads_it(store, monkeypatch, method, fault):
    """Once: the files that are made then are whole."""
    name, original, left = store.spaces.all()[0].index, getattr(EdgeIndex, method), [2]
    (store.folder / "index" / name / "mark").touch()

    def raising(self, *args):
        if left[0]:
            left[0] -= 1
            raise fault
        return original(self, *args)

    monkeypatch.setattr(EdgeIndex, method, raising)
    check = found(store)
    assert not check.ok and type(fault).__name__ in check.found and check.cure.endswith("--repair")
    repaired = found(store, repair=True)
    assert repaired.ok and "loaded again from the archive" in repaired.found
    assert not (store.folder / "index" / name / "mark").exists()
    assert differences(store.projection()).clean


def test_files_that_stay_wrong_are_not_called_right(store, monkeypatch):
    def raising(*_):
        raise KeyError("cat")

    monkeypatch.setattr(EdgeIndex, "scan", raising)
    repaired = found(store, repair=True)
    assert not repaired.ok and "KeyError" in repaired.found


def test_what_searches_would_not_find_is_counted_and_mended(store, monkeypatch):
    original, left = EdgeIndex.filtered, [3]

    def forgetful(self, category, state):
        ids = list(original(self, category, state))
        if left[0]:
            left[0] -= 1
            return ids[1:]
        return ids

    monkeypatch.setattr(EdgeIndex, "filtered", forgetful)
    check = found(store)
    assert not check.ok and "that searches take for another class or state" in check.found
    left[0] = 1
    assert found(store, repair=True).ok
    left[0] = 1_000_000
    repaired = found(store, repair=True)
    assert not repaired.ok and "loaded again" in repaired.found and "disk and memory" in repaired.cure


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (StoreBusy("a free index", "held by 7", "wait"), "wait"),
        (StoreError("1 GiB free", "0", "make room"), "make room"),
    ],
)
def test_an_index_that_cannot_be_looked_at_is_not_damaged_for_that(store, monkeypatch, error, cure):
    def refusing(*_, **__):
        raise error

    monkeypatch.setattr(store.maintenance, "index_differences", refusing)
    monkeypatch.setattr(store.maintenance, "drop_index", lambda *_: pytest.fail("its files are not to be touched"))
    for repair in (False, True):
        check = found(store, repair)
        assert (check.ok, check.cure) == (False, cure)


def test_without_a_whole_archive_no_index_is_dropped(store, monkeypatch):
    """It may hold what the archive has lost."""
    next((store.folder / "archive").glob("??/*.npy")).unlink()
    monkeypatch.setattr(store.maintenance, "drop_index", lambda *_: pytest.fail("it cannot be made again"))
    monkeypatch.setattr(
        store.maintenance, "index_differences", lambda _: (_ for _ in ()).throw(StoreDamaged("files", "damage", ""))
    )
    check = found(store, repair=True, archive_whole=False)
    assert not check.ok and check.cure.startswith("mend the archive first")


def test_an_index_in_memory_has_nothing_to_check(built):
    with FeatureStore.open(built.store, StoreOptions(index="resident")) as opened:
        assert found(opened).ok and "in memory" in found(opened).found


def test_a_server_s_collection_that_stays_wrong_is_to_be_deleted_by_its_owner(built, tmp_path, monkeypatch):
    options = StoreOptions(index="server", qdrant_url=":memory:")
    with FeatureStore.open(shutil.copytree(built.store, tmp_path / "store"), options) as opened:
        opened.projection()
        monkeypatch.setattr(type(opened.projection().index), "filtered", lambda *_: iter(()))
        check = found(opened, repair=True)
        assert not check.ok and f"delete the collection {opened.spaces.all()[0].index}" in check.cure


def test_how_many_vectors_are_searched_is_told_and_a_wrong_copy_is_made_again(built, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_rows, "KEPT_FROM", 1)
    monkeypatch.setattr(kept_rows, "FREE_BYTES", 0)
    monkeypatch.setattr(sorted_rows, "COARSE_FROM", 1)  # beside a coarse copy doctor alone compares the exact vectors
    for module in (kept_rows, sorted_rows):
        monkeypatch.setattr(module, "bfloat16_is_faster", lambda *_: True)
    folder = shutil.copytree(built.store, tmp_path / "store")
    with FeatureStore.open(folder) as few:
        assert copy_findings(few, few.spaces.first(), "search", False) == []
    for repair in (False, True, False):
        with FeatureStore.open(folder, StoreOptions(exact_below=2)) as many:
            (finding,) = copy_findings(many, many.spaces.first(), "search", repair)
        assert finding.ok and finding.found.startswith("exact, in memory"), finding
        if not repair:
            (path,) = (folder / "index").glob("*.rows")
            with safe_open(path, "pt") as file:
                stored = file.get_tensor("vectors").numpy().tobytes()
            path.write_bytes(path.read_bytes().replace(stored, np.roll(np.frombuffer(stored, "f4"), 1).tobytes()))
            with FeatureStore.open(folder, StoreOptions(exact_below=2)) as many:
                (finding,) = copy_findings(many, many.spaces.first(), "search", False)
            assert not finding.ok and " damaged" in finding.found and finding.cure.endswith("--repair")
    monkeypatch.setattr(indexes, "_memory", lambda: 1)
    with FeatureStore.open(folder, StoreOptions(exact_below=2)) as many:
        (finding,) = copy_findings(many, many.spaces.first(), "search", False)
    assert finding.ok and finding.found.startswith("by the embedded index")
