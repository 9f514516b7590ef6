"""A process that has the store open sees the correction of another one with its next question."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from retclip.store.index.protocol import PAYLOAD
from retclip.store.records import SegmentFilter, StoreOptions

EDIT = """
import json, os, sys, uuid
from pathlib import Path
from retclip.store.crash_points import armed
from retclip.store.feature_store import FeatureStore, StoreOptions

folder, options, change, subject, last = sys.argv[1:]
with FeatureStore.open(Path(folder), StoreOptions(**json.loads(options))) as store:  # an embedded index is the other's
    with armed(lambda step: os._exit(9) if step == last else None):
        if change == "undo":
            store.undo(int(subject), "bob")
        else:
            getattr(store.segments, change)([uuid.UUID(subject)], "bob")
"""


def elsewhere(work, change: str, subject: object, last: str = "") -> None:
    """Change a segment, or undo an event, in another process, which dies at the step `last`."""
    options = json.dumps({name: getattr(work.options, name) for name in ("database", "index", "qdrant_url")})
    words = (str(work.folder), options, change, str(subject), last)
    done = subprocess.run([sys.executable, "-c", EDIT, *words], timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == (9 if last else 0)


def near(store, made) -> set:
    """Every segment that any question returns."""
    vectors = torch.eye(made.dim)
    neighbours = store.nearest(vectors, [known.id for known in store.classes.all()], 50, False)
    nearest = {segment for row in neighbours.ids for segment in row if segment is not None}
    assert nearest == {hit for vector in vectors for hit in store.search(vector.numpy(), SegmentFilter(), 100).ids}
    return nearest


def with_server(work, server_url: str):
    """An empty place for a store whose vectors a server holds."""
    work.options = StoreOptions(database=work.options.database, index="server", qdrant_url=server_url)
    return work


@pytest.fixture
def server_work(work, server_url: str):
    return with_server(work, server_url)


@pytest.fixture
def shared_work(request: pytest.FixtureRequest, work, server_url: str):
    """An empty place for a store: its index embedded, which this process holds, or on a server."""
    return with_server(work, server_url) if request.param == "server" else work


@pytest.mark.parametrize(
    ("shared_work", "change"),
    [("edge", "quarantine"), ("edge", "retire"), ("server", "quarantine")],
    indirect=["shared_work"],
)
def test_the_next_question_sees_it(shared_work, made, change: str) -> None:
    store = shared_work.open()
    shared_work.fill(store, range(3))
    road = made.ids(store, "image_id = 1")["road", 0]
    before = near(store, made)
    assert road in before and len(before) == 18
    elsewhere(shared_work, change, road)
    assert near(store, made) == before - {road}
    elsewhere(shared_work, "undo", store.history.log()[-1].id)
    assert near(store, made) == before and store.history.check_chain().whole


def test_a_server_that_did_not_follow_returns_nothing_hidden(server_work, made) -> None:
    """The other process dies between its commit and the index: the server still calls the segment visible."""
    store = server_work.open()
    server_work.fill(store, range(3))
    road = made.ids(store, "image_id = 1")["road", 0]
    before = near(store, made)
    elsewhere(server_work, "quarantine", road, last="edit committed")
    assert near(store, made) == before - {road}
    index, state = store.projection().index, PAYLOAD.index("st")
    assert dict(index.scan())[road][state] == 0, "it followed: the questions above proved nothing"
    store.refresh()
    assert dict(index.scan())[road][state] != 0
    assert near(store, made) == before - {road}
