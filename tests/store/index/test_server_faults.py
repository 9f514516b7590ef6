"""What a Qdrant server can do wrong, played by a small HTTP server: each fault is retried or becomes a typed error."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import torch

from retclip.errors import ConfigError, RetCLIPError, SpaceMismatch, StoreDamaged, StoreError
from retclip.store.index import server_calls
from retclip.store.index.protocol import PAYLOAD, Points
from retclip.store.index.server import TRIES, ServerIndex
from retclip.store.index.server_calls import connect

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
        self.size, self.fields, self.version = size, PAYLOAD, "1.19.0"
        self.asked: list[str] = []  # every call, those of opening too
        self.opening: Answer | None = None  # instead of all that opening asks
        self.keys: set[str | None] = set()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        self.asked.append(handler.path)
        self.keys.add(handler.headers.get("api-key"))
        if self.opening is not None:
            return send(handler, self.opening)
        if handler.path == "/":
            about = {"title": "qdrant - vector search engine", "version": self.version}
            return send(handler, (200, {}, json.dumps(about)))
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
    STOP.clear()
    yield played, f"http://127.0.0.1:{server.server_port}"
    STOP.set()
    server.shutdown()
    server.server_close()


def opened(url: str) -> ServerIndex:
    return ServerIndex.open(url, "segments", DIM, timeout=2, first_pause=0.001)


def stall(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then: no single read ever takes too long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            if STOP.wait(0.02):
                return
    except OSError:  # the client has gone
        return


def date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


STOP = threading.Event()
BUSY: Answer = (503, {}, "busy")
BUSY_A_MOMENT: Answer = (503, {"Retry-After": "0"}, "busy")
LIMIT: Answer = (429, {}, "{}")
LIMIT_TILL_NOW: Answer = (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "{}")
LIMIT_NONSENSE: Answer = (429, {"Retry-After": "in a while"}, "{}")
LIMIT_NEGATIVE: Answer = (429, {"Retry-After": "-5"}, "{}")
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


PASSING = [
    BUSY, BUSY_A_MOMENT, SLOW_DOWN, LIMIT, LIMIT_TILL_NOW, LIMIT_NONSENSE, LIMIT_NEGATIVE, drop,
    (502, {}, "<html>bad gateway</html>"),
]  # fmt: skip


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(fake: tuple[Fake, str], fault: Any) -> None:
    played, url = fake
    played.script = [fault, fault, COUNTED]
    assert opened(url).count() == 3
    assert len(played.calls) == 3


@pytest.mark.parametrize("fault", [BUSY, SLOW_DOWN, LIMIT, LIMIT_TILL_NOW, drop])
def test_what_does_not_pass_is_a_store_error_after_some_tries(fake: tuple[Fake, str], fault: Any) -> None:
    played, url = fake
    played.script = [fault]
    with pytest.raises(StoreError, match=r"tries within 2 s were made; store\.qdrant_timeout"):
        opened(url).count()
    assert len(played.calls) == TRIES


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((401, {}, "no key"), "QDRANT_API_KEY"),
        ((403, {}, "wrong key"), "QDRANT_API_KEY"),
        ((400, {}, '{"status":{"error":"bad request"}}'), "version and limits"),
        ((200, {"Content-Type": "text/html"}, "<html>a proxy's login page</html>"), "not answer as a Qdrant server"),
        (ok(None), "not answer as a Qdrant server"),
        ((200, {}, "null"), "not answer as a Qdrant server"),
        ((200, {}, "[1]"), "not answer as a Qdrant server"),
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


def test_a_server_may_name_the_moment_until_which_it_wants_to_be_left_alone(monkeypatch) -> None:
    """Far away, it is not waited for: the call's own time ends first."""
    seen = server_calls._requested_pause(Exception(f"{server_calls.RETRY_AFTER}{date(100)}"))
    assert seen is not None and 90 < seen <= 100
    assert server_calls._requested_pause(Exception("anything else")) is None


@pytest.mark.parametrize("header", ["3600", "date"])
def test_a_pause_beyond_the_call_s_own_time_ends_it_at_once(fake: tuple[Fake, str], header: str) -> None:
    played, url = fake
    played.script = [(429, {"Retry-After": date(3600) if header == "date" else header}, "{}")]
    with pytest.raises(StoreError, match=r"store\.qdrant_timeout"):
        opened(url).count()
    assert len(played.calls) == 1


def test_a_server_that_stalls_is_left_when_the_time_is_over(fake: tuple[Fake, str]) -> None:
    played, url = fake
    played.script = [stall]
    index = ServerIndex.open(url, "segments", DIM, timeout=0.2, first_pause=0.001)
    with pytest.raises(StoreError, match=r"no answer within 0\.2 s.*store\.qdrant_timeout"):
        index.count()
    STOP.set()
    played.script = [COUNTED]
    assert index.count() == 3, "the next call has its own time"


NOT_OURS = [ok(None), (200, {}, "{}"), (200, {}, ""), (200, {}, "<html>"), (404, {}, "nothing"), *PASSING[:7]]


@pytest.mark.parametrize("answer", NOT_OURS)
def test_whatever_is_answered_while_it_is_opened_is_an_error_of_ours(fake: tuple[Fake, str], answer: Answer) -> None:
    played, url = fake
    played.opening = answer
    with pytest.raises(StoreError):
        opened(url)


FIVE = [
    lambda index: index.count(),
    lambda index: list(index.scan()),
    lambda index: list(index.filtered(1, 0)),
    lambda index: index.vectors([uuid.UUID(int=1)]),
    lambda index: index.search(torch.ones(1, DIM), 3),
    lambda index: index.search_per_class(torch.ones(1, DIM), 3, [1]),
    lambda index: index.delete([uuid.UUID(int=1)]),
]


@pytest.mark.parametrize("call", FIVE)
@pytest.mark.parametrize(
    "result",
    [None, {}, [], {"points": None}, {"points": [{"id": 1}], "next_page_offset": None}, [{"points": [{"id": "x"}]}], 7],
    ids=str,
)
def test_no_answer_makes_the_client_s_own_errors_ours(fake: tuple[Fake, str], call: Callable, result: Any) -> None:
    """Or it is an answer: an empty list of records is one."""
    played, url = fake
    played.script = [ok(result)]
    try:
        call(opened(url))
    except RetCLIPError as error:
        assert isinstance(error, StoreError)


def test_a_point_without_its_payload_is_damage_and_not_a_fault_of_the_program(fake: tuple[Fake, str]) -> None:
    played, url = fake
    point = {"id": str(uuid.UUID(int=1)), "version": 1, "score": 0.5, "payload": None}
    played.script = [ok([{"points": [point]}])]
    with pytest.raises(StoreDamaged, match="doctor --store DIR --repair"):
        opened(url).search(torch.ones(1, DIM), 3)


@pytest.mark.parametrize("version", ["1.15.9", "v1.9.0", "0.11.0", "unknown", ""])
def test_a_server_that_cannot_guard_updates_is_refused(fake: tuple[Fake, str], version: str) -> None:
    """It would pass over the condition without a word, and an old state would overwrite a new one."""
    played, url = fake
    played.version = version
    with pytest.raises(StoreError, match=r"version 1\.16 or newer"):
        opened(url)


@pytest.mark.parametrize("version", ["1.16.0", "1.19.0-dev", "v2.0.1"])
def test_a_server_that_can_is_asked_its_version_once(fake: tuple[Fake, str], version: str) -> None:
    played, url = fake
    played.version, played.script = version, [COUNTED]
    index = opened(url)
    index.count()
    index.count()
    assert played.asked.count("/") == 1


def test_upserts_and_deletes_are_written_in_the_same_order_everywhere(fake: tuple[Fake, str]) -> None:
    played, url = fake
    played.script = [ok({"operation_id": 1, "status": "completed"})]
    index = opened(url)
    payload = np.array([[1, 2, 3, 0, 1, 1]])
    index.upsert(Points([uuid.UUID(int=1)], np.eye(DIM, dtype=np.float32)[:1], payload))
    index.delete([uuid.UUID(int=1)])
    assert ["ordering=strong" in path and "wait=true" in path for path in played.calls] == [True, True]


CLEAR = (
    "http://qdrant.example:6333", "http://10.0.0.7:6333", "http://127.0.0.1.evil.org", "http://localhost.evil.org:1",
    "http://0.0.0.0:6333", "http://[::2]:6333",
)  # fmt: skip
SAFE = (
    "http://127.0.0.1:6333", "http://localhost:6333", "http://LOCALHOST", "http://[::1]:6333", "http://127.8.9.1",
    "https://qdrant.example",
)  # fmt: skip
WITH_A_NAME = ("https://ann:pass-word@qdrant.example", "http://ann@127.0.0.1:6333")


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        *((url, "https") for url in CLEAR),
        *((url, "QDRANT_API_KEY") for url in WITH_A_NAME),
        *((url, "") for url in SAFE),
    ],
)
def test_a_key_never_passes_a_network_in_the_clear(url: str, refused: str) -> None:
    if refused:
        with pytest.raises(ConfigError, match=refused) as caught:
            connect(url, "the-key", 1)
        assert "pass-word" not in str(caught.value) and "the-key" not in str(caught.value)
        return
    connect(url, "the-key", 1).close()


def test_without_a_key_any_server_may_be_asked() -> None:
    connect("http://qdrant.example:6333", "", 1).close()


def test_a_key_for_this_machine_goes_through_no_proxy(fake: tuple[Fake, str], monkeypatch) -> None:
    played, url = fake
    played.script = [COUNTED]
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    index = ServerIndex.open(url, "segments", DIM, "the-key", timeout=2, first_pause=0.001)
    assert index.count() == 3 and played.keys == {"the-key"}
