"""What people say of single segments: another class, out of sight, back in sight. Each is one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from retclip.errors import DataError
from retclip.store.classes.class_edits import find_class
from retclip.store.history import events, segment_facts
from retclip.store.records import Edit
from retclip.store.sql.catalog import segment_ids
from retclip.store.states import Action, LabelSource
from retclip.store.work.outbox import announce_changes


def relabel(connection: Connection, ids: Sequence[UUID], name: str, actor: str) -> Edit:
    """Give segments another class. Raises DataError for an unknown segment or class."""
    one = find_class(connection, name)
    label = {"category_id": one.id, "label_source": LabelSource.PERSON, "confidence": 1.0}
    return _say(connection, ids, Action.RELABEL, actor, **label)


def quarantine(connection: Connection, ids: Sequence[UUID], actor: str) -> Edit:
    """Keep segments out of every answer, whatever runs find. Raises DataError for an unknown segment."""
    return _say(connection, ids, Action.QUARANTINE, actor, hidden=True)


def release(connection: Connection, ids: Sequence[UUID], actor: str) -> Edit:
    """Let segments be found again. Raises DataError for an unknown segment."""
    return _say(connection, ids, Action.RELEASE, actor, hidden=False)


def _say(connection: Connection, ids: Sequence[UUID], action: Action, actor: str, **what: Any) -> Edit:
    rows = segment_ids(connection, list(dict.fromkeys(ids)))
    if len(rows) < len(set(ids)) or not rows:
        raise DataError(
            "ids of segments of this store", f"{len(set(ids)) - len(rows)} unknown", "see `retclip explain`"
        )
    target = str(ids[0]) if len(rows) == 1 else f"{len(rows)} segments"
    event = events.add(connection, actor, action, target, what.get("category_id"))
    changed = segment_facts.add_same_fact(connection, event, rows, **what)
    announce_changes(connection, changed)
    return Edit(event, len(changed))
