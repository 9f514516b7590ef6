"""Corrections of single segments by people: another class, quarantine, release, retirement. Each is one event, however
many segments it takes; what is so already gets no fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from retclip.errors import DataError
from retclip.store.classes.class_edits import find_class
from retclip.store.crash_points import reach
from retclip.store.history import events, rejections, segment_facts
from retclip.store.records import Edit
from retclip.store.segments.categories import add_stored_facts, ensure_categories
from retclip.store.segments.filtering import rows_of_ids
from retclip.store.sql.catalog import rows_in
from retclip.store.sql.tables import Category, Segment
from retclip.store.states import Action, LabelSource
from retclip.store.work.outbox import announce_changes

NEW_CLASS = "; or make it: --new"


def relabel_each(
    connection: Connection, labels: Mapping[UUID, str], actor: str, reason: str = "", new: bool = False
) -> Edit:
    """Give segments classes, each its own, in one event.

    labels: by segment the name of its class, or an alias.
    actor, reason: who says so, and why.
    new: make the classes that the store does not have, and take back those that were removed.
    Raises DataError for unknown segments or classes, with the nearest names.
    """
    rows = _rows(connection, list(labels))
    names = list(dict.fromkeys(labels.values()))
    stored = ensure_categories(connection, dict.fromkeys(names)) if new else None
    categories = stored.ids if stored else {name: _class(connection, name) for name in names}
    current = {
        row.id: row.category_id
        for row in rows_in(connection, select(Segment.id, Segment.category_id), Segment.id, list(rows.values()))
    }
    wanted = {rows[segment]: categories[name] for segment, name in labels.items()}
    changes = {row: category for row, category in wanted.items() if current[row] != category}
    if not changes:
        return Edit(0, 0, len(wanted))
    one_class = set(changes.values())
    event = _event(connection, actor, Action.RELABEL, labels, reason, *(one_class if len(one_class) == 1 else (None,)))
    if stored:
        add_stored_facts(connection, event, stored, {})
    person = {"label_source": LabelSource.PERSON, "confidence": 1.0}
    facts = [{"segment_id": row, "category_id": category, **person} for row, category in changes.items()]
    return _add_facts(connection, event, facts, len(wanted))


def quarantine(connection: Connection, ids: Sequence[UUID], actor: str, reason: str = "") -> Edit:
    """Hide segments from every answer, whatever runs find. Raises DataError for unknown segments."""
    return _state(connection, ids, Action.QUARANTINE, actor, reason, "hidden", True)


def release(connection: Connection, ids: Sequence[UUID], actor: str, reason: str = "") -> Edit:
    """Let quarantined segments be found again. Raises DataError for unknown segments."""
    return _state(connection, ids, Action.RELEASE, actor, reason, "hidden", False)


def retire(connection: Connection, ids: Sequence[UUID], actor: str, reason: str = "") -> Edit:
    """Take segments out: their photos do not vouch for them any more. No run brings them back, an undo does. Raises
    DataError for unknown segments."""
    return _state(connection, ids, Action.RETIRE, actor, reason, "retired", True)


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
    category, segments = find_class(connection, name), list(_rows(connection, ids).values())
    said = {one.segment for one in rejections.rejections(connection, [category.id])}
    changed = [segment for segment in segments if (segment in said) != holds]
    if not changed:
        got = f"said already of all {len(segments)}" if holds else f"not said of any of the {len(segments)}"
        todo = "see what is said: retclip explain, retclip log"
        raise DataError(f"something new about segments and {category.name!r}", got, todo)
    event = _event(connection, actor, Action.REJECT, ids, reason, category.id)
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


def _state(
    connection: Connection, ids: Sequence[UUID], action: Action, actor: str, reason: str, column: str, value: bool
) -> Edit:
    """Add a person's word about segments of which it does not hold yet."""
    rows = _rows(connection, ids)
    words = segment_facts.words_of(connection, list(rows.values()), column)
    changes = [row for row in rows.values() if words.get(row, False) != value]
    if not changes:
        return Edit(0, 0, len(rows))
    event = _event(connection, actor, action, rows, reason)
    return _add_facts(connection, event, [{"segment_id": row, column: value} for row in changes], len(rows))


def _add_facts(connection: Connection, event: int, facts: Sequence[Mapping[str, Any]], asked: int) -> Edit:
    segment_facts.add_facts(connection, event, facts)
    reach("facts of a correction added")
    segment_facts.settle(connection, [fact["segment_id"] for fact in facts])
    announce_changes(connection, [fact["segment_id"] for fact in facts])
    reach("correction announced")
    return Edit(event, len(facts), asked - len(facts))


def _event(
    connection: Connection, actor: str, action: Action, ids: Sequence[UUID] | Mapping[UUID, Any], reason: str,
    category: int | None = None,
) -> int:  # fmt: skip
    target = str(next(iter(ids))) if len(ids) == 1 else f"{len(ids)} segments"
    return events.add(connection, actor, action, target, category, reason=reason)


def _class(connection: Connection, name: str) -> int:
    try:
        return find_class(connection, name).id
    except DataError as error:
        raise DataError(error.expected, error.got, error.todo + NEW_CLASS) from error


def _rows(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Find the rows of segments, each once. Raises DataError with the count of unknown ones, and for none."""
    unique = list(dict.fromkeys(ids))
    rows = rows_of_ids(connection, unique)
    if len(rows) < len(unique) or not unique:
        got = f"{len(unique) - len(rows)} of {len(unique)} unknown" if unique else "none"
        raise DataError("ids of segments of this store", got, "see `retclip explain` and `retclip store search`")
    return {segment: rows[segment] for segment in unique}
