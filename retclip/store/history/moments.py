"""The store as of an event, and what differs between two: questions to the facts, which nothing has changed since.

As of event N means: of what events up to N said, what none of the undos up to N took back. A run that is at work while
others change something goes on speaking under its first number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from retclip.store.history import class_facts, events, segment_facts
from retclip.store.history.class_facts import HeldClass
from retclip.store.history.segment_facts import Held
from retclip.store.records import ClassChange, SegmentChange, SegmentState, StoreClass, StoreDifference
from retclip.store.sql.catalog import ends_of_merges, pages
from retclip.store.sql.tables import ACTIVE, NORMAL, ClassFact, Event, ImageRow, Segment, SegmentFact


def classes_at(connection: Connection, event: int) -> list[StoreClass]:
    """The classes as of an event, by name, as `catalog.classes` has those of now. Reads every fact. Images that are
    being deleted now count in no moment. Raises DataError for the number of no event."""
    events.require(connection, event)
    images = dict[int, set[int]]()
    counted = dict[int, int]()
    for page in segment_facts.every_page(connection):
        where = select(Segment.id, Segment.image_id).join(ImageRow, ImageRow.id == Segment.image_id)
        shown = connection.execute(where.where(Segment.id.in_(page), ImageRow.state == ACTIVE))
        image_of = {row[0]: row[1] for row in shown}
        for segment, held in segment_facts.held_of(connection, page, event):
            if held.status == NORMAL and segment in image_of:
                counted[held.category_id] = counted.get(held.category_id, 0) + 1
                images.setdefault(held.category_id, set()).add(image_of[segment])
    classes = class_facts.held_of(connection, at=event)
    aliases = _aliases(classes)
    return sorted(
        (
            StoreClass(number, one.name, one.is_thing, aliases[number], counted.get(number, 0),
                       len(images.get(number, ())))
            for number, one in classes.items() if one.retired_at is None and one.merged_into_id is None
        ),
        key=lambda one: one.name,
    )  # fmt: skip


def difference(connection: Connection, first: int, second: int) -> StoreDifference:
    """What of the store as of the first event is otherwise as of the second. Reads the facts of what the events between
    spoke of. Raises DataError for the number of no event."""
    for one in (first, second):
        events.require(connection, one)
    between = _spoken_between(connection, *sorted((first, second)))
    touched = select(SegmentFact.segment_id).where(SegmentFact.event_id.in_(between)).distinct()
    ids = sorted(connection.execute(touched).scalars())
    named = select(ClassFact.category_id).where(ClassFact.event_id.in_(between)).distinct()
    categories = sorted(connection.execute(named).scalars())
    return StoreDifference(
        tuple(_classes(connection, categories, first, second)), tuple(_segments(connection, ids, first, second))
    )


def _spoken_between(connection: Connection, low: int, high: int) -> list[int]:
    """The events after the first up to the second, and those that they took back."""
    rows = connection.execute(select(Event.id, Event.undoes).where(Event.id > low, Event.id <= high))
    return sorted({number for row in rows for number in row if number is not None})


def _classes(connection: Connection, categories: Sequence[int], first: int, second: int) -> list[ClassChange]:
    was, became = (class_facts.held_of(connection, categories, at) for at in (first, second))
    every = class_facts.held_of(connection)

    def said(one: HeldClass | None) -> tuple[str | None, tuple[str, ...], str | None]:
        if one is None or one.retired_at is not None:
            return None, (), None
        into = None if one.merged_into_id is None else every[one.merged_into_id].name
        return one.name, tuple(one.aliases.values()), into

    pairs = [(said(was.get(one)), said(became.get(one))) for one in categories]
    return [ClassChange(number, *old, *new) for number, (old, new) in zip(categories, pairs, strict=True) if old != new]


def _segments(connection: Connection, ids: Sequence[int], first: int, second: int) -> list[SegmentChange]:
    names = {number: one.name for number, one in class_facts.held_of(connection).items()}
    changes = []
    for page in pages(ids, segment_facts.PAGE):
        points = {row[0]: row[1] for row in connection.execute(
            select(Segment.id, Segment.point_id).where(Segment.id.in_(page))
        )}  # fmt: skip
        was, became = (dict(segment_facts.held_of(connection, page, at)) for at in (first, second))
        for one in page:
            old, new = _state(was.get(one), names), _state(became.get(one), names)
            if old != new:
                changes.append(SegmentChange(points[one], old, new))
    return changes


def _state(held: Held | None, names: Mapping[int, str]) -> SegmentState | None:
    if held is None:
        return None
    return SegmentState(names[held.category_id], held.status == NORMAL, held.mask_no, held.labelled_by)


def _aliases(classes: Mapping[int, HeldClass]) -> dict[int, tuple[str, ...]]:
    """Of each class its aliases, the names of what was merged into it among them."""
    ends = ends_of_merges({one: held.merged_into_id for one, held in classes.items() if held.merged_into_id})
    found: dict[int, list[str]] = {one: [] for one in classes}
    for number, one in classes.items():
        found[ends.get(number, number)] += one.aliases.values()
    for number, one in classes.items():
        if number in ends:
            found[ends[number]].append(one.name)
    return {number: tuple(names) for number, names in found.items()}
