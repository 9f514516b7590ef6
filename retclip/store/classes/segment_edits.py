"""Changes of single segments by people: another class, quarantine, release. Each is one event."""

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
    """Give segments another class.

    name: of the class, or an alias.
    actor: who says so, for the event.
    Raises DataError for an unknown segment or class.
    """
    category = find_class(connection, name)
    label = {"category_id": category.id, "label_source": LabelSource.PERSON, "confidence": 1.0}
    return _add_fact(connection, ids, Action.RELABEL, actor, **label)


def quarantine(connection: Connection, ids: Sequence[UUID], actor: str) -> Edit:
    """Hide segments from every answer, whatever runs find. Raises DataError for an unknown segment."""
    return _add_fact(connection, ids, Action.QUARANTINE, actor, hidden=True)


def release(connection: Connection, ids: Sequence[UUID], actor: str) -> Edit:
    """Let segments be found again. Raises DataError for an unknown segment."""
    return _add_fact(connection, ids, Action.RELEASE, actor, hidden=False)


def _add_fact(connection: Connection, ids: Sequence[UUID], action: Action, actor: str, **values: Any) -> Edit:
    segments = segment_ids(connection, list(dict.fromkeys(ids)))
    if len(segments) < len(set(ids)) or not segments:
        raise DataError(
            "ids of segments of this store", f"{len(set(ids)) - len(segments)} unknown", "see `retclip explain`"
        )
    target = str(ids[0]) if len(segments) == 1 else f"{len(segments)} segments"
    event = events.add(connection, actor, action, target, values.get("category_id"))
    changed = segment_facts.add_same_fact(connection, event, segments, **values)
    announce_changes(connection, changed)
    return Edit(event, len(changed))
