"""Rows kept beside the store: mapped by the next process, followed, never believed where they are stale or damaged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from retclip.errors import StoreDamaged
from retclip.store.archive.shards import Archive
from retclip.store.crash_points import armed
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import indexes, kept_files, kept_rows, resident, sorted_rows
from retclip.store.index.resident import ResidentIndex

ASKED = torch.nn.functional.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), dim=1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "KEPT_FROM", 1)
    monkeypatch.setattr(kept_rows, "FREE_BYTES", 0)


def answers(store: FeatureStore) -> list[object]:
    """What a store says of three questions, in all and of each class."""
    near = [store.nearest(ASKED, [1, 2, 3, 4], k, each) for k, each in ((5, False), (99, False), (2, True))]
    return [(one.ids.tolist(), one.classes.tolist(), one.distances.tolist()) for one in near]


def kept(folder: Path) -> list[Path]:
    return list((folder / "index").glob(f"*{kept_files.SUFFIX}"))


def fresh(work) -> list[object]:
    """What an index says that was loaded from the archive."""
    for path in kept(work.folder):
        path.unlink()
    with FeatureStore.open(work.folder, replace(work.options, index="resident")) as store:
        return answers(store)


def filled(work, made, units: int = 3) -> FeatureStore:
    """A store of some images, closed by its builder."""
    made.commit(work.open(), *map(made.unit, range(1, units + 1)))
    work.close()
    return work.open()


def forbid_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: object, places: object, dim: int) -> np.ndarray:
        assert not places, "the archive was read"
        return np.zeros((0, dim), dtype=np.float32)

    monkeypatch.setattr(Archive, "vectors", read)


def test_the_next_process_maps_what_the_first_one_loaded(light_work, made, monkeypatch) -> None:
    first = answers(filled(light_work, made))
    (path,) = kept(light_work.folder)
    before = path.read_bytes()
    light_work.close()
    forbid_archive(monkeypatch)
    assert answers(light_work.open()) == first
    assert path.read_bytes() == before, "not written again"


def test_what_other_processes_changed_since_is_seen(light_work, made) -> None:
    """Segments come, move, hide, go and come back; each time it is as if all had been loaded anew."""
    answers(filled(light_work, made))
    light_work.close()
    (path,), removed = kept(light_work.folder), list[int]()
    changes = [
        lambda store: made.commit(store, made.unit(4)),
        lambda store: store.segments.quarantine(list(made.ids(store, "image_id = 1").values())[:2], "ann"),
        lambda store: store.segments.relabel(list(made.ids(store, "image_id = 2").values())[:2], "tree", "ann"),
        lambda store: removed.append(store.classes.remove("car", "ann").event),
        lambda store: store.undo(removed[0], "ann"),
    ]
    for change in changes:
        store = light_work.open()
        change(store)
        light_work.close()
        assert path.exists()
        store = light_work.open()
        seen = answers(store)
        copied = path.read_bytes()
        assert seen == fresh(light_work)
        path.write_bytes(copied)
        light_work.close()


def test_many_changes_are_kept_in_a_new_file(light_work, made, monkeypatch) -> None:
    answers(filled(light_work, made))
    light_work.close()
    (path,) = kept(light_work.folder)
    before = path.stat().st_ino
    store = light_work.open()
    made.commit(store, made.unit(4))
    light_work.close()
    monkeypatch.setattr(resident, "BESIDE", 2)
    seen = answers(light_work.open())
    assert path.stat().st_ino != before and seen == fresh(light_work)


def test_a_catalog_restored_from_a_backup_is_not_answered_from_a_newer_copy(sqlite_work, made) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    store, catalog = filled(sqlite_work, made), sqlite_work.folder / "catalog.sqlite"
    sqlite_work.close()
    backup = catalog.read_bytes()
    store = sqlite_work.open()
    made.commit(store, made.unit(4))
    answers(store)
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    newer = path.read_bytes()
    for others in (0, 1):  # nothing since, and another change that took the row of the one that is lost
        catalog.write_bytes(backup)
        path.write_bytes(newer)
        store = sqlite_work.open()
        if others:
            made.commit(store, made.unit(5))
        seen = answers(store)
        sqlite_work.close()
        assert seen == fresh(sqlite_work)


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "ids", "vectors", "another format"])
def test_a_damaged_file_is_not_used(sqlite_work, made, monkeypatch, damage: str) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    wanted = answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    whole = path.read_bytes()
    if damage in ("ids", "vectors"):
        store = sqlite_work.open()
        packed = np.asarray(getattr(store.projection().index._sorted, damage)).tobytes()
        sqlite_work.close()
        assert packed in whole
        whole = whole.replace(packed, packed[:3] + bytes([packed[3] ^ 0x80]) + packed[4:])  # of a number its sign
    cut = {"cut": whole[:-9], "empty": b"", "header": b"\xff" * 16 + whole[16:]}
    path.write_bytes(cut.get(damage, whole))
    if damage == "another format":
        monkeypatch.setattr(kept_rows, "FORMAT", f"not {kept_rows.FORMAT}")
    assert answers(sqlite_work.open()) == wanted
    assert kept_rows.load(path, torch.device("cpu"), lambda _: None) is None, "stale, because nothing has that mark"
    assert not path.exists()


@pytest.mark.parametrize("then", ["removed", "replaced"])
def test_a_file_that_another_process_changes_while_it_is_mapped_is_neither_believed_nor_removed(
    sqlite_work, made, monkeypatch, caplog, then: str
) -> None:
    """Its header is read first, and its tensors are mapped by its name once more."""
    sqlite_work.options = StoreOptions(index="resident")
    wanted = answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    newer, opened = path.read_bytes(), safe_open

    def late(name: Path, framework: str) -> object:
        path.unlink()
        if then == "replaced":
            path.with_name("other").write_bytes(newer)
            path.with_name("other").replace(path)
        monkeypatch.setattr(kept_rows, "safe_open", opened)
        raise RuntimeError(f"unable to open file <{name}> in read-only mode")

    monkeypatch.setattr(kept_rows, "safe_open", late)
    assert kept_rows.load(path, torch.device("cpu"), lambda _: None) is None
    assert path.exists() == (then == "replaced")
    assert answers(sqlite_work.open()) == wanted and not caplog.records


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coarse copy of few rows, too."""
    monkeypatch.setattr(sorted_rows, "COARSE_FROM", 1)
    for module in (kept_rows, sorted_rows):
        monkeypatch.setattr(module, "bfloat16_is_faster", lambda *_: True)


def damaged(path: Path, kind: str) -> None:
    """Change the vectors in a file of kept rows."""
    with safe_open(path, "pt") as file:
        assert "coarse" in file.keys(), "nothing else guards the vectors"  # noqa: SIM118
        stored = file.get_tensor("vectors").numpy().tobytes()
    other = np.frombuffer(stored, np.uint8).copy()
    bits = other.view(np.uint32).reshape(-1, 8)  # a row each
    if kind == "rolled":
        bits[:] = np.roll(bits, 1, axis=0)
    elif kind == "zeroed":
        bits[:] = 0
    else:
        largest = np.abs(bits.view(np.float32)).argmax(axis=1)
        bits[np.arange(len(bits)), largest] ^= np.uint32({"signs": 1 << 31, "exponents": 1 << 30}[kind])
    whole = path.read_bytes()
    assert whole.count(stored) == 1
    path.write_bytes(whole.replace(stored, other.tobytes()))


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("kind", ["signs", "exponents", "rolled", "zeroed"])
@pytest.mark.parametrize("index", ["resident", "edge"])
def test_damaged_vectors_beside_a_coarse_copy_change_no_answer(sqlite_work, made, caplog, index, kind) -> None:
    sqlite_work.options = StoreOptions(index=index, exact_below=10)
    wanted = answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    damaged(path, kind)
    assert answers(sqlite_work.open()) == wanted
    sqlite_work.close()
    (told,) = (one.getMessage() for one in caplog.records if one.name == "retclip.store.index.indexes")
    assert "are damaged, so they are made again from the archive" in told
    caplog.clear()
    assert len(kept(sqlite_work.folder)) == 1
    assert answers(sqlite_work.open()) == wanted and not caplog.records


@pytest.mark.usefixtures("coarse")
def test_damaged_vectors_are_not_written_again_as_whole_ones(sqlite_work, made, monkeypatch, caplog) -> None:
    """Where much has changed since, the rows are sorted anew, and their sums would be those of the damage."""
    sqlite_work.options = StoreOptions(index="resident")
    store = filled(sqlite_work, made)
    answers(store)
    sqlite_work.close()
    made.commit(sqlite_work.open(), made.unit(4))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    damaged(path, "signs")
    monkeypatch.setattr(resident, "BESIDE", 2)
    seen = answers(sqlite_work.open())
    assert seen == fresh(sqlite_work) and "are damaged" in caplog.text


@pytest.mark.usefixtures("coarse")
def test_without_the_archive_damaged_vectors_are_an_error_with_file_and_cure(sqlite_work, made) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    damaged(path, "signs")
    for shard in (sqlite_work.folder / "archive").rglob("*.npy"):
        shard.unlink()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=r"\.npy.*restore it") as raised:
            answers(sqlite_work.open())
        assert "archive" in str(raised.value)
        sqlite_work.close()


@pytest.mark.usefixtures("coarse")
def test_a_damaged_file_that_stays_is_not_believed_the_second_time(sqlite_work, made, monkeypatch) -> None:
    """In a folder that cannot be written, say."""
    sqlite_work.options = StoreOptions(index="resident")
    wanted = answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    damaged(path, "signs")
    before = path.read_bytes()
    monkeypatch.setattr(indexes, "remove_kept", lambda _: None)
    monkeypatch.setattr(kept_rows, "FREE_BYTES", 1 << 60)
    store = sqlite_work.open()
    assert answers(store) == wanted == answers(store) and path.read_bytes() == before


@pytest.mark.usefixtures("coarse")
def test_where_the_coarse_copy_is_not_used_the_vectors_are_compared_when_they_are_mapped(
    sqlite_work, made, monkeypatch, caplog
) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    wanted = answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    damaged(path, "signs")
    for module in (kept_rows, sorted_rows):
        monkeypatch.setattr(module, "bfloat16_is_faster", lambda *_: False)
    assert answers(sqlite_work.open()) == wanted and "their checksum is another one" in caplog.text


@pytest.mark.usefixtures("coarse")
def test_what_the_header_says_is_in_the_checksum(sqlite_work, made, caplog) -> None:
    """A smaller rounding would leave out candidates."""
    sqlite_work.options = StoreOptions(index="resident")
    wanted = answers(filled(sqlite_work, made))
    sqlite_work.close()
    (path,) = kept(sqlite_work.folder)
    whole, said = path.read_bytes(), b'"rounding":"0.00'
    place = whole.index(said) + len(said)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert answers(sqlite_work.open()) == wanted and "their checksum is another one" in caplog.text


def test_it_may_stop_after_every_step(sqlite_work, made) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    wanted = fresh(sqlite_work) if filled(sqlite_work, made) else None

    class Stop(BaseException):
        pass

    for step in ("rows written", "rows renamed"):
        for path in kept(sqlite_work.folder):
            path.unlink()

        def stop(reached: str, step: str = step) -> None:
            if reached == step:
                raise Stop

        with armed(stop), pytest.raises(Stop), FeatureStore.open(sqlite_work.folder, sqlite_work.options) as store:
            answers(store)
        with FeatureStore.open(sqlite_work.folder, sqlite_work.options) as store:
            assert answers(store) == wanted
        assert kept(sqlite_work.folder) and not list((sqlite_work.folder / "index").glob(".*.tmp"))


KEEPER = """
import sys, torch
from pathlib import Path
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import kept_rows
kept_rows.KEPT_FROM, kept_rows.FREE_BYTES = 1, 0
print("ready", flush=True)
while True:
    with FeatureStore.open(Path(sys.argv[1]), StoreOptions(index="resident")) as store:
        store.nearest(torch.eye(8)[:1], [1], 1, False)
    for path in (Path(sys.argv[1]) / "index").glob("*.rows"):
        path.unlink(missing_ok=True)
"""


def test_killed_writers_leave_nothing_that_is_believed(sqlite_work, made) -> None:
    """Two processes write and delete the file again and again until they are killed."""
    sqlite_work.options = StoreOptions(index="resident")
    filled(sqlite_work, made)
    wanted = fresh(sqlite_work)
    sqlite_work.close()
    writers = [
        subprocess.Popen([sys.executable, "-c", KEEPER, str(sqlite_work.folder)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        for _ in range(5):
            with FeatureStore.open(sqlite_work.folder, sqlite_work.options) as store:
                assert answers(store) == wanted
        time.sleep(0.2)
    finally:
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
    assert answers(sqlite_work.open()) == wanted
    assert not list((sqlite_work.folder / "index").glob(".*.tmp"))


def test_one_process_writes_at_a_time(sqlite_work, made) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    store = filled(sqlite_work, made)
    wanted = answers(store)
    (path,) = kept(sqlite_work.folder)
    path.unlink()
    sqlite_work.close()
    with kept_files.writing(path):
        assert answers(sqlite_work.open()) == wanted, "without the file"
        assert not kept(sqlite_work.folder)


def test_a_folder_without_room_or_leave_to_write_costs_no_answer(sqlite_work, made, monkeypatch) -> None:
    sqlite_work.options = StoreOptions(index="resident")
    wanted = fresh(sqlite_work) if filled(sqlite_work, made) else None
    sqlite_work.close()
    monkeypatch.setattr(kept_rows, "FREE_BYTES", 1 << 60)
    for path in kept(sqlite_work.folder):
        path.unlink()
    assert answers(sqlite_work.open()) == wanted and not kept(sqlite_work.folder)


def test_beside_an_embedded_index_of_many_vectors_memory_answers_while_it_fits(sqlite_work, made, monkeypatch) -> None:
    sqlite_work.options = StoreOptions(exact_below=10)
    filled(sqlite_work, made)
    sqlite_work.close()
    searched: list[str] = []
    whole = ResidentIndex.search
    monkeypatch.setattr(ResidentIndex, "search", lambda *asked: searched.append("memory") or whole(*asked))
    store = sqlite_work.open()
    wanted = answers(store)
    way = store.maintenance.way(made.space)
    assert searched and way.in_memory and (way.points, way.bytes) == (18, 18 * 8 * 6)
    store.segments.quarantine(list(made.ids(store).values())[:1], "ann")
    assert answers(store) != wanted
    sqlite_work.close()
    searched.clear()
    monkeypatch.setattr(indexes, "_memory", lambda: 18 * 8 * 6)  # of which half may be taken
    store = sqlite_work.open()
    answers(store)
    assert not searched and not store.maintenance.way(made.space).in_memory
    sqlite_work.close()
    monkeypatch.undo()
    sqlite_work.options = StoreOptions()
    assert not sqlite_work.open().maintenance.way(made.space).in_memory, "few are scanned"


def test_a_copy_answers_from_fewer_vectors_than_the_embedded_index_may_scan(sqlite_work, made, monkeypatch) -> None:
    filled(sqlite_work, made)
    sqlite_work.close()
    for few, in_memory in ((18, False), (17, True)):
        monkeypatch.setattr(indexes, "COPIED_ABOVE", few)
        assert sqlite_work.open().maintenance.way(made.space).in_memory == in_memory
        sqlite_work.close()


def test_a_damaged_archive_leaves_the_embedded_index_to_answer(sqlite_work, made, caplog) -> None:
    sqlite_work.options = StoreOptions(exact_below=10)
    filled(sqlite_work, made)
    sqlite_work.close()
    shutil.rmtree(sqlite_work.folder / "archive")
    (sqlite_work.folder / "archive").mkdir()
    store = sqlite_work.open()
    for _ in range(2):
        assert sum(one is not None for one in store.nearest(ASKED[:1], [1, 2, 3], 99, False).ids[0]) == 18
    (told,) = (one.getMessage() for one in caplog.records if one.name == "retclip.store.index.indexes")
    assert "the embedded index is searched" in told and ".npy" in told and "To mend it: restore it" in told


def test_a_repair_takes_the_file_too(sqlite_work, made) -> None:
    sqlite_work.options = StoreOptions(exact_below=10)
    store = filled(sqlite_work, made)
    wanted = answers(store)
    assert len(kept(sqlite_work.folder)) == 1
    store.maintenance.drop_index()
    assert not kept(sqlite_work.folder) and answers(store) == wanted
