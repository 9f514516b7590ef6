"""Connections to a database server that break: waiting for a new one, and finding out the fate of a broken COMMIT.

A connection that is lost outside COMMIT costs nothing but time: nothing was stored, so the transaction is repeated, and
for a minute it is tried to connect. One that is lost inside COMMIT leaves open whether the change was stored; then the
server is asked for the fate of that very transaction, which PostgreSQL remembers by its number.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from retclip.errors import StoreError, StoreUnreachable
from retclip.store.sql.refusals import REACH

if TYPE_CHECKING:
    from tenacity import RetryCallState

PATIENCE = 60.0  # seconds for which a server that was there is waited for
LONGEST_PAUSE = 5.0
# How long to wait for a server that does not even refuse, and after how long a silent line counts as cut.
CONNECTING = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}  # fmt: skip
log = logging.getLogger(__name__)
_reached: WeakSet[Engine] = WeakSet()


def connected(engine: Engine) -> Connection:
    """Connect. A server that answered once is waited for; one that never did may be a wrong address, and raises at
    once.
    Raises StoreUnreachable, StoreError."""
    if engine.dialect.name == "sqlite":
        return engine.connect()
    try:
        connection = _waited_for(engine) if engine in _reached else engine.connect()
    except OperationalError as error:
        if engine in _reached:
            tried = f"{str(error.orig).strip()} (tried for {PATIENCE:.0f} s)"
            raise StoreUnreachable("the database to answer again", tried, REACH) from error
        todo = "check store.database (RETCLIP_STORE__DATABASE), and that its server runs"
        raise StoreUnreachable("the database to answer", str(error.orig).strip(), todo) from error
    _reached.add(engine)
    return connection


def transaction_number(connection: Connection) -> str | None:
    """Read the number by which the server remembers this transaction; None if it has changed nothing, or for SQLite."""
    if connection.dialect.name != "postgresql":
        return None
    number: str | None = connection.execute(text("SELECT pg_current_xact_id_if_assigned()::text")).scalar()
    return number


def was_committed(engine: Engine, number: str, error: DBAPIError) -> bool:
    """Ask the server whether a transaction was stored.

    number: the transaction's.
    error: that its COMMIT ended with.
    Raises StoreUnreachable if the server does not answer.
    """
    question = text("SELECT pg_xact_status(CAST(:number AS xid8))")
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with connected(engine) as connection:
                fate = connection.execute(question, {"number": number}).scalar()
        except (DBAPIError, StoreError):
            fate = None
        if fate in ("committed", "aborted"):
            return bool(fate == "committed")
        if time.monotonic() > until:
            got = f"{str(error.orig).strip()}, and no word whether it was stored"
            todo = "look before you repeat it: `retclip class history` for an edit; a build may simply be run again"
            raise StoreUnreachable("the database to confirm the change", got, todo) from error
        time.sleep(min(1.0, PATIENCE / 10))  # the server may not have noticed yet that we are gone


def _waited_for(engine: Engine) -> Connection:
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

    retrying = Retrying(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_after_delay(PATIENCE),
        wait=wait_exponential(multiplier=0.1, max=LONGEST_PAUSE),
        before_sleep=_warn_once,
        reraise=True,
    )
    return retrying(engine.connect)


def _warn_once(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        log.warning("the database does not answer; trying for %d seconds", PATIENCE)
