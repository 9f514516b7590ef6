"""The embedded index's own guards: its lock, its disk, its damaged files, its graph."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch

from retclip.errors import SpaceMismatch, StoreBusy, StoreDamaged, StoreError
from retclip.store.index import edge, edge_shard
from retclip.store.index.edge import EdgeIndex
from retclip.store.index.protocol import PAYLOAD, Points


def points(count: int, dim: int = 8) -> Points:
    vectors = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    payload = np.zeros((count, len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("rev")] = 1
    return Points([uuid.UUID(int=n + 1) for n in range(count)], vectors, payload)


def mapped_bytes(folder: Path) -> int:
    """Resident bytes of the vectors' files under `folder` in this process."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        field = line.split()
        if "-" in field[0]:
            inside = field[-1].startswith(str(folder)) and "/vector_storage/" in field[-1]
        elif field[0] == "Rss:" and inside:
            total += int(field[1]) * 1024
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="no /proc: resident pages cannot be counted")
def test_what_was_written_does_not_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build's memory must not grow with its store; and the index stays what it was."""
    monkeypatch.setattr(edge, "UNRELEASED_BYTES", 1 << 20)
    index, whole = EdgeIndex.open(tmp_path, 512), points(4096, dim=512)  # 4 MiB of float16
    for start in range(0, len(whole), 256):
        part = slice(start, start + 256)
        index.upsert(Points(whole.ids[part], whole.vectors[part], whole.payload[part]))
    assert mapped_bytes(tmp_path) < 2 << 20
    older = Points(whole.ids[:1], whole.vectors[1:2], whole.payload[:1] - 1)
    index.upsert(older)  # the guard of revisions holds after loading, too
    nearest = index.search(torch.from_numpy(whole.vectors[[0, 4095]]), k=1)
    assert nearest.ids[:, 0].tolist() == [whole.ids[0], whole.ids[4095]] and index.count() == 4096
    index.close()


def test_stopped_while_it_is_loaded_anew_it_works_on_and_gives_its_lock_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(edge, "UNRELEASED_BYTES", 1)
    load, stops = edge.load, [KeyboardInterrupt()]
    index = EdgeIndex.open(tmp_path, 8)
    monkeypatch.setattr(edge, "load", lambda *given: load(*given) if not stops else raised(stops.pop()))
    index.upsert(points(3))
    with pytest.raises(KeyboardInterrupt):
        index.count()
    assert index.count() == 3
    index.upsert(points(4))
    index.close()
    index.close()
    with pytest.raises(StoreDamaged, match="closed"):
        index.count()
    EdgeIndex.open(tmp_path, 8).close()


def raised(error: BaseException) -> None:
    raise error


def test_what_was_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    index = EdgeIndex.open(tmp_path, 8)
    index.upsert(points(50))
    index.close()
    again = EdgeIndex.open(tmp_path, 8)
    assert again.count() == 50
    again.close()


def test_one_process_at_a_time_and_the_message_names_it(tmp_path: Path) -> None:
    import os

    index = EdgeIndex.open(tmp_path, 8)
    with pytest.raises(StoreBusy, match=str(os.getpid())):
        EdgeIndex.open(tmp_path, 8)
    code = (
        "import sys; from pathlib import Path; from retclip.store.index.edge import EdgeIndex\n"
        "from retclip.errors import StoreBusy\n"
        "try: EdgeIndex.open(Path(sys.argv[1]), 8)\n"
        "except StoreBusy as e: print('busy', e.exit_code)"
    )
    other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert other.stdout == "busy 5\n"
    index.close()
    EdgeIndex.open(tmp_path, 8).close()


def test_vectors_of_another_size(tmp_path: Path) -> None:
    EdgeIndex.open(tmp_path, 8).close()
    with pytest.raises(SpaceMismatch, match="16"):
        EdgeIndex.open(tmp_path, 16)
    EdgeIndex.open(tmp_path, 8).close()  # and the refused try left no lock behind


def test_a_full_disk_is_refused_before_the_engine_dies_of_it(tmp_path: Path) -> None:
    EdgeIndex.open(tmp_path, 8).close()
    index = EdgeIndex.open(tmp_path, 8, free_bytes=1 << 60)
    with pytest.raises(StoreError, match="GiB free"):
        index.upsert(points(2))
    assert index.count() == 0
    index.close()


def test_a_damaged_index_says_that_it_can_be_rebuilt(tmp_path: Path) -> None:
    index = EdgeIndex.open(tmp_path, 8)
    index.upsert(points(50))
    index.close()
    (tmp_path / "shard" / "edge_config.json").write_text("{ no json")
    with pytest.raises(StoreDamaged, match="rebuilt from the archive"):
        EdgeIndex.open(tmp_path, 8)


def test_an_index_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard" / "half").write_text("")
    index = EdgeIndex.open(tmp_path, 8)
    index.upsert(points(3))
    assert index.count() == 3
    index.close()


def test_the_graph_finds_what_the_scan_finds(tmp_path: Path) -> None:
    """Above `exact_below` the graph answers; with a wide search it misses little."""
    stored = points(3000)
    index = EdgeIndex.open(tmp_path, 8, exact_below=0)
    index.upsert(stored)
    index.optimize()
    asked = torch.nn.functional.normalize(torch.randn(20, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    truth = np.argsort(-(asked.numpy() @ stored.vectors.T), axis=1)[:, :10]
    found = index.search(asked, 10).ids
    recall = np.mean(
        [len({stored.ids[n] for n in right} & set(row)) / 10 for right, row in zip(truth, found, strict=True)]
    )
    assert recall >= 0.95
    index.close()


def test_a_full_disk_is_told_before_its_files_are_mapped(tmp_path: Path, monkeypatch) -> None:
    """A memory map that finds no room kills the process by a signal, without a word."""
    with pytest.raises(StoreError, match="GiB free"):
        EdgeIndex.open(tmp_path / "new", 8, free_bytes=1 << 60)
    assert not (tmp_path / "new" / "shard").exists()
    EdgeIndex.open(tmp_path / "old", 8).close()
    EdgeIndex.open(tmp_path / "old", 8, free_bytes=1 << 60).close()  # reading needs little
    monkeypatch.setattr(edge, "OPEN_BYTES", 1 << 60)
    with pytest.raises(StoreError, match="GiB free"):
        EdgeIndex.open(tmp_path / "old", 8, free_bytes=1 << 60)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"store\.index=resident"):
        EdgeIndex.open(tmp_path / "file" / "index", 8)


def test_a_shard_whose_making_was_stopped_gets_the_indexes_it_lacks(tmp_path, monkeypatch) -> None:
    """Killed between two of them, it would answer rightly and slowly for ever."""
    monkeypatch.setattr(edge_shard, "PAYLOAD", PAYLOAD[:2])
    EdgeIndex.open(tmp_path, 4).close()
    monkeypatch.undo()
    index = EdgeIndex.open(tmp_path, 4)
    assert set(index._shard.info().payload_schema) == set(PAYLOAD)
    index.close()


def test_a_write_that_a_kill_cut_in_its_flush_is_made_whole_when_it_is_repeated(tmp_path: Path) -> None:
    """The engine flushes the fields that the guard asks before the integers beside the vectors: put together here."""
    index, first = EdgeIndex.open(tmp_path / "index", 8), points(50)
    index.upsert(first)
    index.close()
    (integers,) = (tmp_path / "index").rglob("payload_storage")
    shutil.copytree(integers, tmp_path / "before")
    index = EdgeIndex.open(tmp_path / "index", 8)
    payload = first.payload.copy()
    payload[:7, PAYLOAD.index("cat")], payload[:7, PAYLOAD.index("rev")] = 3, 2
    second = Points(first.ids[:7], -first.vectors[:7], payload[:7])
    index.upsert(second)
    index.close()
    shutil.rmtree(integers)
    shutil.copytree(tmp_path / "before", integers)
    index = EdgeIndex.open(tmp_path / "index", 8)
    assert held(index) == dict(zip(first.ids, first.payload.tolist(), strict=True)), "else nothing is tested"
    index.upsert(second)
    assert held(index) == dict(zip(first.ids, payload.tolist(), strict=True))
    index.upsert(Points(first.ids[:7], first.vectors[:7], first.payload[:7]))  # an earlier revision changes nothing
    assert held(index) == dict(zip(first.ids, payload.tolist(), strict=True))
    vector = index.vectors(first.ids[:1])[first.ids[0]]
    np.testing.assert_allclose(vector, second.vectors[0], atol=1e-3)
    assert set(index.filtered(3, 0)) == set(first.ids[:7]) and index.count() == 50
    index.close()


def held(index: EdgeIndex) -> dict[uuid.UUID, list[int]]:
    """The integers of each point."""
    return {number: payload.tolist() for number, payload in index.scan()}
