"""Changing classes: another name, one more name, two made one, one removed. Each is one transaction and one event.

Names live in SQL alone, so a rename writes no vector; where segments change, the index is told. Every event holds what
`store.undo` needs to go back.
"""

from __future__ import annotations

import base64
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, insert, select, update

from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.store.classes import events
from retclip.store.records import Edit
from retclip.store.segments.categories import find_category
from retclip.store.sql.catalog import pages
from retclip.store.sql.columns import now
from retclip.store.sql.tables import NORMAL, QUARANTINED, RETIRED, Category, CategoryAlias, Label, Segment
from retclip.store.states import LabelSource
from retclip.store.work.ledger import forget_units, live_versions
from retclip.store.work.outbox import announce

LEFT = {"segments": NORMAL, "quarantined": QUARANTINED}  # what an event calls segments that it retired


def rename_class(connection: Connection, old: str, new: str, actor: str) -> Edit:
    """The old name stays as an alias, so that sources which use it still mean the class. Raises DataError for an
    unknown class, an empty name, the name that it has, or one that another class has."""
    one = find_class(connection, old)
    name, key = _free_name(connection, new, one.id)
    if name == one.name:
        raise DataError("another name", f"{one.name!r}, which the class has already", "choose another")
    same = key == one.name_key  # only spelled otherwise
    taken = delete(CategoryAlias).where(CategoryAlias.category_id == one.id, CategoryAlias.alias_key == key)
    was_alias = connection.execute(taken).rowcount > 0
    connection.execute(update(Category).where(Category.id == one.id).values(name=name, name_key=key))
    if not same:
        values = {"category_id": one.id, "alias": one.name, "alias_key": one.name_key, "source": "rename"}
        connection.execute(insert(CategoryAlias).values(**values))
    before = {"category": one.id, "name": one.name, "was_alias": was_alias}
    after = {"category": one.id, "name": name}
    return Edit(events.record(connection, actor, "class.rename", one.name, before, after))


def add_alias(connection: Connection, name: str, alias: str, actor: str) -> Edit:
    """One more name of a class. Raises DataError where it is unknown or the name is taken."""
    one = find_class(connection, name)
    term, key = _free_name(connection, alias, None)
    values = {"category_id": one.id, "alias": term, "alias_key": key, "source": "person"}
    connection.execute(insert(CategoryAlias).values(**values))
    after = {"category": one.id, "alias": term}
    return Edit(events.record(connection, actor, "class.alias", one.name, {"category": one.id}, after))


def merge_class(connection: Connection, name: str, into: str, actor: str) -> Edit:
    """Every segment of a class gets the other's label; its name means the other from now on. Raises DataError."""
    one, target = find_class(connection, name), find_class(connection, into)
    if one.id == target.id:
        raise DataError("two different classes to merge", f"{name!r} is {into!r}", "name another class")
    ids = list(connection.execute(select(Segment.id).where(Segment.category_id == one.id)).scalars())
    relabel(connection, ids, target.id, actor)
    connection.execute(update(Category).where(Category.id == one.id).values(merged_into_id=target.id))
    before = {"category": one.id, "name": one.name, "segments": packed(ids)}
    after = {"category": target.id, "name": target.name, "segments": len(ids)}
    event = events.record(connection, actor, "class.merge", one.name, before, after)
    announce(connection, live_versions(connection), ids)
    return Edit(event, len(ids))


def remove_class(connection: Connection, name: str, actor: str) -> Edit:
    """Its segments are retired, not forgotten; it may be added again. Raises DataError for an unknown class."""
    one = find_class(connection, name)
    query = select(Segment.id).where(Segment.category_id == one.id)
    normal, hidden = (
        list(connection.execute(query.where(Segment.status == s)).scalars()) for s in (NORMAL, QUARANTINED)
    )
    set_status(connection, [*normal, *hidden], RETIRED)
    connection.execute(update(Category).where(Category.id == one.id).values(retired_at=now()))
    asked = select(Segment.prompt).where(Segment.category_id == one.id).distinct()  # sources may call it otherwise
    forget_units(connection, {one.name_key, *connection.execute(asked).scalars()})  # finished, it is not done again
    before = {"category": one.id, "name": one.name, "segments": packed(normal), "quarantined": packed(hidden)}
    after = {"category": one.id, "segments": len(normal) + len(hidden)}
    event = events.record(connection, actor, "class.remove", one.name, before, after)
    announce(connection, live_versions(connection), [*normal, *hidden])
    return Edit(event, after["segments"])


def has_segments(connection: Connection, name: str) -> bool:
    """Whether the class that a name means has a segment that is not retired."""
    number = find_category(connection, name)
    return number is not None and is_alive(connection, number)


def is_alive(connection: Connection, category: int) -> bool:
    """Whether the class with that number has a segment that is not retired."""
    left = select(Segment.id).where(Segment.category_id == category, Segment.status != RETIRED).limit(1)
    return connection.execute(left).first() is not None


def still_so(connection: Connection, ids: Sequence[int], condition: Any) -> list[int]:
    """Of segments those for which the condition holds."""
    found: list[int] = []
    for page in pages(ids):
        found += connection.execute(select(Segment.id).where(Segment.id.in_(page), condition)).scalars()
    return found


@dataclass(frozen=True)
class KnownClass:
    """A class that is neither removed nor merged away."""

    id: int
    name: str
    name_key: str


def class_history(connection: Connection, name: str | None) -> list[dict[str, Any]]:
    """The events of a class, also of one that is gone, or of all classes. Raises DataError for a name that none had."""
    if name is None:
        return events.history(connection)
    number = find_category(connection, name)
    return events.history(connection, number or find_class(connection, name).id)


def find_class(connection: Connection, name: str) -> KnownClass:
    """The class that a name or alias means. Raises DataError with the nearest names."""
    number = find_category(connection, name)
    columns = (Category.id, Category.name, Category.name_key)
    alive = select(*columns).where(Category.retired_at.is_(None), Category.merged_into_id.is_(None))
    row = connection.execute(alive.where(Category.id == number)).one_or_none() if number is not None else None
    if row is None:
        known = list(connection.execute(alive.with_only_columns(Category.name)).scalars())
        near = difflib.get_close_matches(name, known, 3) or sorted(known)[:10]
        todo = f"choose one of `retclip class list`, e.g. {', '.join(near)}" if known else "build the store first"
        raise DataError("a class of the store", repr(name), todo)
    return KnownClass(*row)


def _free_name(connection: Connection, name: str, mine: int | None) -> tuple[str, str]:
    """A new name as it is kept, and its key. mine: a class that may have it already."""
    name = checked_name(name, "the new name")
    key = name_key(name)
    owner = find_category(connection, name)
    if owner is not None and owner != mine:
        raise DataError(
            "a name that no class has", f"{name!r} is taken", "choose another, or use `retclip class merge`"
        )
    return name, key


def relabel(connection: Connection, segment_ids: Sequence[int], category_id: int, actor: str) -> None:
    """Give segments another class: a newer label each. The caller announces them."""
    for page in pages(segment_ids):
        changed = update(Segment).where(Segment.id.in_(page))
        connection.execute(changed.values(category_id=category_id, rev=Segment.rev + 1))
        label = {"category_id": category_id, "source": LabelSource.PERSON, "confidence": 1.0, "actor": actor}
        connection.execute(insert(Label), [{"segment_id": one, **label} for one in page])


def set_status(connection: Connection, segment_ids: Sequence[int], status: int) -> None:
    """Make segments normal, quarantined or retired. The caller announces them."""
    for page in pages(segment_ids):
        changed = update(Segment).where(Segment.id.in_(page))
        connection.execute(changed.values(status=status, rev=Segment.rev + 1))


def packed(segment_ids: Sequence[int]) -> str:
    """Segment ids as text for an event: little-endian int64, in base64."""
    return base64.b64encode(np.asarray(segment_ids, dtype="<i8").tobytes()).decode("ascii")


def unpacked(text: str) -> list[int]:
    """The segment ids of such a text."""
    return [int(one) for one in np.frombuffer(base64.b64decode(text), dtype="<i8")]
