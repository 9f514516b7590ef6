"""Calls of a Qdrant server: each ends in time, with an answer or with an error of ours.

The client retries nothing by itself, lets a proxy's HTML page through as a JSON error, answers a null result with an
assertion and a dated Retry-After with an exception of its own (stores.md 1.4). So every call goes through
`ServerCalls`: what may pass is tried again with growing pauses or when the server says so, what will not raises at
once, and nothing waits longer than the call's whole time, also where a server sends a byte now and then. All calls may
be repeated: upserts are guarded by the revision, deletes go by id.
"""

from __future__ import annotations

import ipaddress
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from retclip.errors import ConfigError, RetCLIPError, StoreError

Answer = TypeVar("Answer")
TRIES, FIRST_PAUSE, LONGEST_PAUSE = 5, 0.2, 30.0  # seconds
IN_MEMORY = ":memory:"
EXAMPLE = "set store.qdrant_url like http://127.0.0.1:6333"
RETRY_AFTER = "Retry-After header value is not a valid integer: "  # how the client reports a date


def connect(url: str, api_key: str, timeout: float) -> QdrantClient:
    """Make a client of a server; connects to nothing yet.

    url: http(s)://host:port, or ":memory:" for tests.
    api_key: "" for none.
    timeout: seconds for each read.
    Raises ConfigError for an impossible address, one that holds a password, and a key that would leave this machine in
    the clear.
    """
    if url == IN_MEMORY:
        return QdrantClient(location=IN_MEMORY, check_compatibility=False)
    loopback = _checked(url, api_key)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a key goes over http: not farther than this machine
            return QdrantClient(
                url=url, api_key=api_key or None, timeout=max(1, round(timeout)), check_compatibility=False,
                trust_env=not loopback,  # a proxy would see what is meant for this machine alone
            )  # fmt: skip
    except Exception as error:  # its URL parser and its transport raise kinds of their own
        raise ConfigError("the address of a Qdrant server", f"{url!r}: {error}", EXAMPLE) from error


@dataclass(frozen=True)
class ServerCalls:
    """Calls about one collection.

    timeout: seconds in which each must be answered, tries included.
    first_pause: seconds before the second try; later pauses grow.
    """

    url: str
    collection: str
    timeout: float
    first_pause: float = FIRST_PAUSE

    def __call__(self, action: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """Make a call that may be repeated, and return its answer. Raises StoreError."""
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(TRIES) | stop_before_delay(self.timeout),
            wait=self._pause,
            reraise=True,
        )
        until = time.monotonic() + self.timeout
        with self.faults():
            answer: Answer = retrying(self._in_time, until, action, *args, **options)
        return answer

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn whatever client and answer raise inside the block into StoreError."""
        try:
            yield
        except RetCLIPError:
            raise
        except Exception as error:  # the client's own, its transport's, pydantic's, assertions: there is no list
            raise self._as_store_error(error) from error

    def _in_time(self, until: float, action: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """Stop waiting at `until`. The client's own limit is for each read: a server that sends a byte now and then
        never meets it."""
        if self.url == IN_MEMORY:
            return action(*args, **options)
        answers: queue.SimpleQueue[tuple[Answer | None, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                answers.put((action(*args, **options), None))
            except BaseException as error:
                answers.put((None, error))

        threading.Thread(target=work, daemon=True, name="qdrant call").start()
        try:
            answer, error = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise TimeoutError(f"no answer within {self.timeout:g} s") from None
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]

    def _pause(self, state: RetryCallState) -> float:
        """Wait as long as the server requests, or exponentially with jitter."""
        error = state.outcome.exception() if state.outcome else None
        requested = _requested_pause(error)
        if requested is not None:
            return min(max(requested, 0.0), LONGEST_PAUSE)
        growing = wait_exponential(multiplier=self.first_pause, max=LONGEST_PAUSE)
        return growing(state) + wait_random(0, self.first_pause)(state)

    def _as_store_error(self, error: Exception) -> StoreError:
        status = error.status_code if isinstance(error, UnexpectedResponse) else None
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        if status in (401, 403):
            todo = "set RETCLIP_STORE__QDRANT_API_KEY to a key that may read and write"
        elif _may_pass(error):
            todo = (
                f"check that the server runs, is reachable and has room, then repeat ({TRIES} tries within "
                f"{self.timeout:g} s were made; store.qdrant_timeout allows more)"
            )
        elif status is not None and status < 500:
            todo = "check the server's version and limits against docs/team.md"
        else:
            todo = "check store.qdrant_url: what answers there does not answer as a Qdrant server does"
        return StoreError(f"collection {self.collection!r} at {self.url} to answer", first_line, todo)


def _checked(url: str, api_key: str) -> bool:
    """Check the address; returns True if it is this machine's own. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        host, names = parts.hostname or "", (parts.username, parts.password)
    except ValueError as error:
        raise ConfigError("the address of a Qdrant server", f"{url!r}: {error}", EXAMPLE) from error
    if any(names):
        got = "one that holds a name or password (not shown)"
        raise ConfigError("store.qdrant_url without them", got, "put the key into RETCLIP_STORE__QDRANT_API_KEY")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("store.qdrant_url like http://127.0.0.1:6333", repr(url), "set it for store.index=server")
    loopback = _is_loopback(host)
    if api_key and parts.scheme == "http" and not loopback:
        todo = "use https, or a tunnel that ends on this machine: the key would pass the network in the clear"
        raise ConfigError("https for a server that is asked with a key", f"{parts.scheme}://{host}", todo)
    return loopback


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _may_pass(error: BaseException) -> bool:
    """Tell whether a repetition may succeed: busy, unreachable, a server's own fault, or an answer that broke off. A
    refusal will be one again."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code is None or error.status_code == 429 or error.status_code >= 500
    if isinstance(error, ResponseHandlingException):
        return not isinstance(error.source, ValueError)  # which is pydantic's: an answer of another shape
    if isinstance(error, ResourceExhaustedResponse | TimeoutError | ConnectionError):
        return True
    return isinstance(error, QdrantException | ApiException) and str(error).startswith(RETRY_AFTER)


def _requested_pause(error: BaseException | None) -> float | None:
    """Read the pause in seconds that the server requests: as a number or a date. None if it requests none."""
    if isinstance(error, ResourceExhaustedResponse):
        return float(error.retry_after_s)
    if isinstance(error, UnexpectedResponse):
        stated = str(error.headers.get("retry-after", "")) if error.headers else ""
    else:
        stated = str(error).removeprefix(RETRY_AFTER) if str(error).startswith(RETRY_AFTER) else ""
    try:
        return float(stated)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(stated)
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
