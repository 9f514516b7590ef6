"""The embedded index's graph: built as points come, counted as it is, in a process that may fail or be stopped."""

from __future__ import annotations

import subprocess
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from retclip.errors import StoreError
from retclip.store.findings import Graph
from retclip.store.index import edge, edge_graph
from retclip.store.index.edge import EdgeIndex
from retclip.store.index.protocol import PAYLOAD, Points

DIM = 8


def points(first: int, last: int, revision: int = 1) -> Points:
    vectors = np.random.default_rng(revision).normal(size=(last, DIM)).astype(np.float32)[first:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    payload = np.zeros((last - first, len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("rev")] = revision
    return Points([uuid.UUID(int=n + 1) for n in range(first, last)], vectors, payload)


def in_graph(index: EdgeIndex) -> int:
    """What the engine itself says."""
    return int(index._live().info().indexed_vectors_count)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The building process replaced by a shell script."""

    def put(commands: str) -> Path:
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{commands}\n")
        path.chmod(0o755)
        monkeypatch.setattr(edge_graph.sys, "executable", str(path))
        return path

    return put


def test_it_is_built_when_more_than_the_limit_lack_it(tmp_path: Path) -> None:
    index = EdgeIndex.open(tmp_path, DIM, exact_below=400)
    index.upsert(points(0, 400))
    index.keep_up()
    assert index.graph() == Graph(points=400, indexed=0, outside=400) and not index.graph().due
    index.upsert(points(400, 401))
    assert index.graph().due and in_graph(index) == 0
    index.keep_up()
    assert index.graph() == Graph(points=401, indexed=401, outside=400) and in_graph(index) == 401
    index.upsert(points(401, 600))
    index.keep_up()
    assert index.graph().indexed == 401, "199 may be scanned"
    index.close()
    again = EdgeIndex.open(tmp_path, DIM, exact_below=100)
    again.keep_up()
    assert again.graph().indexed == 401 and again.graph().due, "who wrote nothing builds nothing; doctor tells"
    again.upsert(points(600, 601))
    again.keep_up()
    assert again.graph() == Graph(points=601, indexed=601, outside=100)
    again.close()


def test_it_grows_in_steps_while_points_come_so_that_a_kill_costs_one_step(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(edge, "STEP", 300)
    index, seen = EdgeIndex.open(tmp_path, DIM, exact_below=100), []
    for start in range(0, 800, 100):
        index.upsert(points(start, start + 100))
        seen.append(in_graph(index))
    assert seen == [0, 0, 0, 400, 400, 400, 400, 800]
    index._lock.close()  # the process dies here
    index._shard.close()
    again = EdgeIndex.open(tmp_path, DIM, exact_below=100)
    assert again.graph() == Graph(points=800, indexed=800, outside=100)
    again.close()


def test_what_was_replaced_or_deleted_since_does_not_count_as_being_in_it(tmp_path: Path) -> None:
    """The engine's own figure counts both; a merge of classes would never get its graph."""
    index = EdgeIndex.open(tmp_path, DIM, exact_below=200)
    index.upsert(points(0, 1000))
    index.keep_up()
    index.upsert(points(0, 300, revision=2))
    index.delete([uuid.UUID(int=n + 1) for n in range(900, 1000)])
    assert in_graph(index) == 1000
    assert index.graph() == Graph(points=900, indexed=600, outside=200) and index.graph().due
    index.keep_up()
    assert index.graph() == Graph(points=900, indexed=900, outside=200)
    index.close()


def test_an_index_of_before_there_was_a_note_is_counted_by_the_engine(tmp_path: Path) -> None:
    index = EdgeIndex.open(tmp_path, DIM, exact_below=100)
    index.upsert(points(0, 300))
    index.close()
    for hurt in (Path.unlink, lambda note: note.write_bytes(b"\xff many")):
        hurt(tmp_path / edge_graph.NOTE)
        index = EdgeIndex.open(tmp_path, DIM, exact_below=100)
        assert index.graph() == Graph(points=300, indexed=0, outside=100)
        index.close()


def test_what_was_written_twice_counts_at_most_once_a_point(tmp_path: Path) -> None:
    """A load that was stopped begins again; the guard of revisions leaves the points as they are."""
    index = EdgeIndex.open(tmp_path, DIM, exact_below=1000)
    for _ in range(3):
        index.upsert(points(0, 500))
    assert index.graph() == Graph(points=500, indexed=0, outside=1000) and not index.graph().due
    index.close()


@pytest.mark.parametrize(
    ("commands", "reason"),
    [("echo 'memory allocation of 9 bytes failed' >&2; exit 3", "memory allocation of 9 bytes failed"),
     ("exit 4", "exit code 4"), ("kill -KILL $$", "signal 9"), ("kill -BUS $$", "signal 7")],
)  # fmt: skip
def test_a_builder_that_fails_costs_no_point_and_is_told(tmp_path, script, caplog, commands, reason) -> None:
    script(commands)
    index = EdgeIndex.open(tmp_path, DIM, exact_below=100)
    index.upsert(points(0, 500))
    with pytest.raises(StoreError, match=reason):
        index.optimize()
    index.keep_up()
    index.upsert(points(500, 600))
    index.keep_up()
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert reason in told and "doctor --repair" in told, "once: what failed is not tried again and again"
    stored = points(0, 600)
    assert index.search(torch.from_numpy(stored.vectors[[0, 599]]), 1).ids[:, 0].tolist() == [
        stored.ids[0], stored.ids[599],
    ]  # fmt: skip
    assert index.graph() == Graph(points=600, indexed=0, outside=100)
    index.close()


def test_a_builder_that_cannot_be_started_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(edge_graph.sys, "executable", str(tmp_path / "none"))
    index = EdgeIndex.open(tmp_path, DIM)
    index.upsert(points(0, 10))
    with pytest.raises(StoreError, match="none"):
        index.optimize()
    index.close()


def test_a_builder_is_refused_where_the_disk_is_too_full_for_a_second_graph(tmp_path: Path) -> None:
    index = EdgeIndex.open(tmp_path, DIM)
    index.upsert(points(0, 10))
    index.free_bytes = 1 << 60
    with pytest.raises(StoreError, match="GiB free"):
        index.optimize()
    index.close()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_is_stopped_while_it_waits_ends_the_builder_and_keeps_every_point(
    tmp_path, script, monkeypatch, stop
) -> None:
    """Ctrl-C: before, the engine held the interpreter, and nothing could stop it."""
    script("exec sleep 60")
    started = []

    def interrupted(builder: subprocess.Popen, *_: object) -> None:
        started.append(builder)
        raise stop

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    index = EdgeIndex.open(tmp_path, DIM, exact_below=100)
    index.upsert(points(0, 500))
    with pytest.raises(stop):
        index.keep_up()
    assert started[0].returncode == -9
    index.upsert(points(500, 600))  # what is committed on the way out does not begin it again
    index.keep_up()
    assert len(started) == 1 and index.count() == 600
    index.close()
    EdgeIndex.open(tmp_path, DIM).close()


def test_a_killed_builder_leaves_an_index_that_is_whole_and_can_be_built(tmp_path, monkeypatch) -> None:
    communicate, unfinished = subprocess.Popen.communicate, tmp_path / "shard" / edge_graph.UNFINISHED

    def kill(builder: subprocess.Popen, *rest: object):
        while builder.poll() is None and not list(unfinished.glob("*")):
            pass  # until it works
        builder.kill()
        return communicate(builder, *rest)

    index = EdgeIndex.open(tmp_path, DIM, exact_below=100)
    stored = points(0, 8000)
    index.upsert(stored)
    with monkeypatch.context() as patch, suppress(StoreError):  # it may have been quicker
        patch.setattr(subprocess.Popen, "communicate", kill)
        index.optimize()
    assert index.count() == 8000 and {one for one, _ in index.scan()} == set(stored.ids)
    found = index.vectors(stored.ids[:100])
    np.testing.assert_allclose(np.stack([found[one] for one in stored.ids[:100]]), stored.vectors[:100], atol=1e-3)
    index.optimize()
    assert index.graph() == Graph(points=8000, indexed=8000, outside=100) and in_graph(index) == 8000
    assert not list(unfinished.glob("*")), "what was half built does not stay on the disk"
    index.close()
