"""The cached values of segments and classes, computed again from their facts."""

from __future__ import annotations

from sqlalchemy import Connection

from retclip.store.history import class_facts, segment_facts
from retclip.store.work.outbox import announce_changes


def settle_all(connection: Connection) -> None:
    """Settle every row that differs from its facts, and announce the changed segments to the indexes."""
    class_facts.settle(connection, class_facts.stale(connection))
    announce_changes(connection, segment_facts.settle(connection, segment_facts.stale(connection)))
