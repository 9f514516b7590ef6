"""What `class add` has stored: one event, which an undo takes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from retclip.names import name_key
from retclip.store import events
from retclip.store.categories import find_categories
from retclip.store.class_edits import packed
from retclip.store.ledger import CLASS_ADD
from retclip.store.tables import Category, Segment

KIND, ACTION = CLASS_ADD, "class.add"  # of runs, of events


def class_before(connection: Connection, name: str) -> dict[str, Any]:
    """What an undo of an addition needs to know of the class: whether the catalog knows it, removed or not; if so,
    whether it counts, and when it was removed."""
    number = find_categories(connection, [name_key(name)]).get(name_key(name))
    if number is None:
        return {"known": False}
    row = connection.execute(select(Category.is_thing, Category.retired_at).where(Category.id == number)).one()
    return {"known": True, "is_thing": row[0], "retired_at": row[1].isoformat() if row[1] else None}


def noted_before(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run noted of its class; older ones noted only whether it was known."""
    return config.get("before") or {"known": config.get("known", False)}


def record_addition(
    connection: Connection, name: str, before: Mapping[str, Any], after: Mapping[str, Any], action: str = ACTION
) -> int:
    """The event of `class add`, or of another walk that adds to a class. before: `class_before`; after: with its run,
    or all its runs. The event names the segments that are theirs now; an undo gives those among them back that were
    there before (`replaced_segments`), and retires the others."""
    number = find_categories(connection, [name_key(name)]).get(name_key(name))
    runs = after.get("runs", [after["run"]])
    made = connection.execute(select(Segment.id).where(Segment.run_id.in_(runs))).scalars()
    told = {**after, "category": number, "made": packed(list(made))}
    return events.record(connection, f"run {after['run']}", action, name, before, told)
