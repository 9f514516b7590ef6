"""Changes of single segments by people: another class, quarantine, release. Each is one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from retclip.errors import DataError
from retclip.store.classes.class_edits import find_class
from retclip.store.history import events, rejections, segment_facts
from retclip.store.records import Edit
from retclip.store.sql.catalog import rows_in, segment_ids
from retclip.store.sql.tables import Category
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


def reject(
    connection: Connection, ids: Sequence[UUID], name: str, actor: str, holds: bool = True, reason: str = ""
) -> Edit:
    """Say that segments are not of a class: they count against it. Their own label stays.

    name: of the class, or an alias.
    actor: who says so, for the event.
    holds: False takes what was said back.
    reason: why, in the actor's words.
    Raises DataError for an unknown segment or class, and where nothing is said that could be taken back.
    """
    category, segments = find_class(connection, name), _rows(connection, ids)
    said = {one.segment for one in rejections.rejections(connection, [category.id])}
    changed = [segment for segment in segments if (segment in said) != holds]
    if not changed:
        got = f"said already of all {len(segments)}" if holds else f"not said of any of the {len(segments)}"
        todo = "see what is said: retclip explain, retclip log"
        raise DataError(f"something new about segments and {category.name!r}", got, todo)
    event = events.add(connection, actor, Action.REJECT, _target(ids), category.id, reason=reason)
    rejections.add_rejections(connection, event, changed, category.id, holds)
    return Edit(event, len(changed))


def rejected(connection: Connection) -> dict[str, tuple[UUID, ...]]:
    """List the negative examples of each class, by its name."""
    every = rejections.rejections(connection)
    query = select(Category.id, Category.name)
    names = {row.id: row.name for row in rows_in(connection, query, Category.id, [one.category for one in every])}
    by_name: dict[str, list[UUID]] = {}
    for one in every:
        by_name.setdefault(names[one.category], []).append(one.point_id)
    return {name: tuple(by_name[name]) for name in sorted(by_name)}


def _add_fact(connection: Connection, ids: Sequence[UUID], action: Action, actor: str, **values: Any) -> Edit:
    segments = _rows(connection, ids)
    event = events.add(connection, actor, action, _target(ids), values.get("category_id"))
    changed = segment_facts.add_same_fact(connection, event, segments, **values)
    announce_changes(connection, changed)
    return Edit(event, len(changed))


def _rows(connection: Connection, ids: Sequence[UUID]) -> list[int]:
    segments = segment_ids(connection, list(dict.fromkeys(ids)))
    if len(segments) < len(set(ids)) or not segments:
        raise DataError(
            "ids of segments of this store", f"{len(set(ids)) - len(segments)} unknown", "see `retclip explain`"
        )
    return segments


def _target(ids: Sequence[UUID]) -> str:
    return str(ids[0]) if len(set(ids)) == 1 else f"{len(set(ids))} segments"
