"""The three rooms behind one protocol; a test that takes `index` runs over all of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from retclip.store.index.edge import EdgeIndex
from retclip.store.index.protocol import VectorIndex
from retclip.store.index.resident import ResidentIndex
from retclip.store.index.server import IN_MEMORY, ServerIndex

DIM = 8
SERVER_URL = os.environ.get("RETCLIP_TEST_QDRANT_URL", "")
KEY = os.environ.get("RETCLIP_TEST_QDRANT_API_KEY", "")


@pytest.fixture(params=["edge", "resident", "server-in-memory", "server"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    """An empty index of 8 dimensions."""
    opened: VectorIndex
    if request.param == "edge":
        opened = EdgeIndex.open(tmp_path / "index", DIM)
    elif request.param == "resident":
        opened = ResidentIndex(DIM)
    elif request.param == "server-in-memory":
        opened = ServerIndex.open(IN_MEMORY, "contract", DIM)
    else:
        if not SERVER_URL:
            pytest.skip("no server: set RETCLIP_TEST_QDRANT_URL")
        opened = ServerIndex.open(SERVER_URL, f"contract_{uuid.uuid4().hex}", DIM, api_key=KEY)
    yield opened
    if request.param == "server":
        opened._client.delete_collection(opened.name)  # type: ignore[attr-defined]
    opened.close()
