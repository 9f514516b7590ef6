"""A Qdrant server for several processes: the client's in-memory mode behind HTTP, or the server that the tests have."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

Answer = Callable[[QdrantClient, str, bytes], Any]
ABOUT = {"title": "qdrant - vector search engine", "version": "1.19.0"}


def _create(client: QdrantClient, name: str, body: bytes) -> bool:
    return client.create_collection(name, models.CreateCollection.model_validate_json(body).vectors)


def _upsert(client: QdrantClient, name: str, body: bytes) -> models.UpdateResult:
    request = models.PointsList.model_validate_json(body)
    return client.upsert(name, request.points, update_filter=request.update_filter)


def _delete(client: QdrantClient, name: str, body: bytes) -> models.UpdateResult:
    return client.delete(name, models.PointIdsList.model_validate_json(body))


def _query(client: QdrantClient, name: str, body: bytes) -> list[models.QueryResponse]:
    searches = models.QueryRequestBatch.model_validate_json(body).searches
    return client.query_batch_points(name, [search.model_copy(update={"params": None}) for search in searches])


def _scroll(client: QdrantClient, name: str, body: bytes) -> dict[str, Any]:
    request = models.ScrollRequest.model_validate_json(body)
    points, following = client.scroll(
        name, request.filter, limit=request.limit or 10, offset=request.offset, with_payload=bool(request.with_payload)
    )
    return {"points": points, "next_page_offset": following}


def _retrieve(client: QdrantClient, name: str, body: bytes) -> list[models.Record]:
    request = models.PointRequest.model_validate_json(body)
    return client.retrieve(name, request.ids, with_vectors=bool(request.with_vector))


CALLS: dict[tuple[str, str], Answer] = {
    ("GET", "exists"): lambda client, name, _: {"exists": client.collection_exists(name)},
    ("GET", ""): lambda client, name, _: client.get_collection(name),
    ("PUT", ""): _create,
    ("PUT", "index"): lambda *_: {"operation_id": 0, "status": "completed"},  # in memory there are none
    ("PUT", "points"): _upsert,
    ("POST", "points/delete"): _delete,
    ("POST", "points/query/batch"): _query,
    ("POST", "points/scroll"): _scroll,
    ("POST", "points"): _retrieve,
    ("POST", "points/count"): lambda client, name, _: client.count(name),
}


class Handler(BaseHTTPRequestHandler):
    """Answers the calls that the store makes."""

    client: QdrantClient
    lock: threading.Lock

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/":
            return self.send(ABOUT)
        name, _, action = self.path.partition("?")[0].removeprefix("/collections/").partition("/")
        with self.lock:
            result = CALLS[self.command, action](self.client, name, body)
        self.send({"result": result, "status": "ok", "time": 0.0})

    do_GET = do_POST = do_PUT = answer

    def send(self, document: Any) -> None:
        content = json.dumps(document, default=lambda model: model.model_dump(mode="json")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a server that any process may call."""
    if there := os.environ.get("RETCLIP_TEST_QDRANT_URL"):
        yield there
        return
    client, lock = QdrantClient(location=":memory:"), threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Handler,), {"client": client, "lock": lock}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    client.close()
