"""The append-only log: who changed what, from what, to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from retclip.store.work_tables import Event


def record(
    connection: Connection, actor: str, action: str, target: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> int:
    """Add an event and return its number."""
    values = {"actor": actor, "action": action, "target": target[:200], "before": dict(before), "after": dict(after)}
    return int(connection.execute(insert(Event).values(**values).returning(Event.id)).scalar_one())


def latest(connection: Connection, limit: int = 20) -> list[dict[str, Any]]:
    """The newest events first, as plain dicts."""
    rows = connection.execute(select(Event.__table__).order_by(Event.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]
