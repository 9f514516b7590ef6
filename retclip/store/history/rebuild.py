"""What rows of segments and classes hold, made again from their facts."""

from __future__ import annotations

from sqlalchemy import Connection

from retclip.store.history import class_facts, segment_facts
from retclip.store.work.ledger import live_versions
from retclip.store.work.outbox import announce


def settle_all(connection: Connection) -> None:
    """Settle whatever says something else than its facts, and let the indexes follow."""
    class_facts.settle(connection, class_facts.stale(connection))
    announce(connection, live_versions(connection), segment_facts.settle(connection, segment_facts.stale(connection)))
