"""The append-only log: who changed what, from what, to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, or_, select

from retclip.store.sql.tables import Event


def record(
    connection: Connection, actor: str, action: str, target: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> int:
    """Add an event and return its number."""
    values = {"actor": actor, "action": action, "target": target[:200], "before": dict(before), "after": dict(after)}
    return int(connection.execute(insert(Event).values(**values).returning(Event.id)).scalar_one())


def history(connection: Connection, category: int | None = None) -> list[dict[str, Any]]:
    """Changes of classes and what was undone, oldest first; category: of that class alone, by its row."""
    query = select(Event.__table__).where(or_(Event.action.like("class.%"), Event.action == "undo"))
    rows = [dict(row) for row in connection.execute(query.order_by(Event.id)).mappings()]
    return [one for one in rows if category is None or category in _categories(one)]


def _categories(event: Mapping[str, Any]) -> set[Any]:
    return {event["before"].get("category"), event["after"].get("category")}


def latest(connection: Connection, limit: int = 20) -> list[dict[str, Any]]:
    """The newest events first, as plain dicts."""
    rows = connection.execute(select(Event.__table__).order_by(Event.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]
