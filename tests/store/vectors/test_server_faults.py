"""What a Qdrant server can do wrong, played by a small HTTP server: each fault is retried or becomes a typed error."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import torch

from retclip.errors import ConfigError, SpaceMismatch, StoreError
from retclip.store.vectors import PAYLOAD
from retclip.store.vectors.server import TRIES, ServerIndex

DIM = 4
Answer = tuple[int, dict[str, str], str]


def ok(result: Any) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps({"result": result, "status": "ok", "time": 0.0})


def collection(size: int, fields: Sequence[str] = PAYLOAD) -> dict[str, Any]:
    return {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "config": {
            "params": {"vectors": {"size": size, "distance": "Cosine"}},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
            "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000,
                                 "default_segment_number": 0, "flush_interval_sec": 5},
        },
        "payload_schema": {key: {"data_type": "integer", "points": 0} for key in fields},
    }  # fmt: skip


class Fake:
    """Answers the calls of opening well, and every later call from `script`, the last entry for ever."""

    def __init__(self, size: int = DIM) -> None:
        self.script: list[Callable[[BaseHTTPRequestHandler], None] | Answer] = []
        self.calls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.size, self.fields = size, PAYLOAD

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        if handler.path.endswith("/exists"):
            return send(handler, ok({"exists": True}))
        if handler.command == "GET":
            return send(handler, ok(collection(self.size, self.fields)))
        self.calls.append(handler.path)
        self.bodies.append(json.loads(body or b"{}"))
        step = self.script[min(len(self.calls), len(self.script)) - 1]
        return step(handler) if callable(step) else send(handler, step)


def send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    status, headers, body = answer
    handler.send_response(status)
    for key, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
        handler.send_header(key, value)
    handler.end_headers()
    handler.wfile.write(body.encode())


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"result":')
    handler.close_connection = True


@pytest.fixture
def fake() -> Iterator[tuple[Fake, str]]:
    played = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            played.answer(self)

        do_GET = do_POST = do_PUT = do_DELETE = do_any

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield played, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def opened(url: str) -> ServerIndex:
    return ServerIndex.open(url, "segments", DIM, timeout=2, first_pause=0.001)


BUSY: Answer = (503, {}, "busy")
SLOW_DOWN: Answer = (429, {"Retry-After": "0"}, '{"status":{"error":"rate limit"}}')
COUNTED = ok({"count": 3})


def test_a_collection_whose_making_was_stopped_gets_the_indexes_it_lacks(fake: tuple[Fake, str]) -> None:
    played, url = fake
    played.fields, played.script = ("cat", "img"), [ok({"operation_id": 1, "status": "completed"})]
    opened(url)
    assert [body["field_name"] for body in played.bodies] == ["ds", "st", "rev", "run"]
    assert {path.partition("?")[0] for path in played.calls} == {"/collections/segments/index"}


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999999", "http://:80x"])
def test_an_address_that_cannot_be_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigError, match="qdrant_url"):
        opened(url)


@pytest.mark.parametrize("fault", [BUSY, SLOW_DOWN, drop, (502, {}, "<html>bad gateway</html>")])
def test_what_may_pass_is_tried_again(fake: tuple[Fake, str], fault: Any) -> None:
    played, url = fake
    played.script = [fault, fault, COUNTED]
    assert opened(url).count() == 3
    assert len(played.calls) == 3


@pytest.mark.parametrize("fault", [BUSY, SLOW_DOWN, drop])
def test_what_does_not_pass_is_a_store_error_after_some_tries(fake: tuple[Fake, str], fault: Any) -> None:
    played, url = fake
    played.script = [fault]
    with pytest.raises(StoreError, match="tries were made"):
        opened(url).count()
    assert len(played.calls) == TRIES


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((401, {}, "no key"), "QDRANT_API_KEY"),
        ((403, {}, "wrong key"), "QDRANT_API_KEY"),
        ((400, {}, '{"status":{"error":"bad request"}}'), "version and limits"),
        ((200, {"Content-Type": "text/html"}, "<html>a proxy's login page</html>"), "no Qdrant server"),
    ],
)
def test_a_refusal_is_not_repeated(fake: tuple[Fake, str], answer: Answer, hint: str) -> None:
    played, url = fake
    played.script = [answer]
    with pytest.raises(StoreError, match=hint):
        opened(url).count()
    assert len(played.calls) == 1


def test_a_write_that_times_out_on_the_server_is_repeated(fake: tuple[Fake, str]) -> None:
    """The client returns `wait_timeout` as if it were an answer; only `completed` may be believed."""
    played, url = fake
    played.script = [ok({"operation_id": 1, "status": "wait_timeout"}), ok({"operation_id": 2, "status": "completed"})]
    import uuid

    opened(url).delete([uuid.uuid4()])
    assert len(played.calls) == 2
    played.script = [ok({"operation_id": 1, "status": "acknowledged"})]
    with pytest.raises(StoreError, match="acknowledged"):
        opened(url).delete([uuid.uuid4()])


def test_a_search_never_fails_silently(fake: tuple[Fake, str]) -> None:
    played, url = fake
    played.script = [(400, {}, '{"status":{"error":"index required"}}')]
    with pytest.raises(StoreError):
        opened(url).search(torch.ones(1, DIM), 3)


def test_nobody_answers() -> None:
    with pytest.raises(StoreError, match="reachable"):
        ServerIndex.open("http://127.0.0.1:9", "segments", DIM, first_pause=0.001)


def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError, match="qdrant_url"):
        ServerIndex.open("", "segments", DIM)


def test_a_collection_of_another_backbone(fake: tuple[Fake, str]) -> None:
    played, url = fake
    played.size = DIM + 1
    with pytest.raises(SpaceMismatch, match="5"):
        opened(url)
