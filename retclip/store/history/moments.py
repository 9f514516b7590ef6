"""The store as of an event, and the difference between two: questions to the facts, which never change.

As of event N means: the facts of events up to N, without those that an undo up to N took back. A run keeps its number,
also while others change something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from retclip.store.history import class_facts, events, segment_facts
from retclip.store.history.class_facts import ClassValues
from retclip.store.history.segment_facts import SegmentValues
from retclip.store.records import ClassChange, SegmentChange, SegmentState, StoreClass, StoreDifference
from retclip.store.sql.catalog import ends_of_merges, pages, rows_in
from retclip.store.sql.tables import ACTIVE, NORMAL, ClassFact, Event, ImageRow, Segment, SegmentFact


def classes_at(connection: Connection, event: int) -> list[StoreClass]:
    """List the classes as of an event, by name, as `catalog.classes` lists the current ones. Reads every fact. Images
    that are being deleted now do not count. Raises DataError for the number of no event."""
    events.require(connection, event)
    images = dict[int, set[int]]()
    counted = dict[int, int]()
    for page in segment_facts.every_page(connection):
        places = select(Segment.id, Segment.image_id).join(ImageRow, ImageRow.id == Segment.image_id)
        rows = connection.execute(places.where(Segment.id.in_(page), ImageRow.state == ACTIVE))
        image_of = {row[0]: row[1] for row in rows}
        for segment, values in segment_facts.values_of(connection, page, event):
            if values.status == NORMAL and segment in image_of:
                counted[values.category_id] = counted.get(values.category_id, 0) + 1
                images.setdefault(values.category_id, set()).add(image_of[segment])
    classes = class_facts.values_of(connection, at=event)
    aliases = _aliases(classes)
    return sorted(
        (
            StoreClass(number, values.name, values.is_thing, aliases[number], counted.get(number, 0),
                       len(images.get(number, ())))
            for number, values in classes.items() if values.retired_at is None and values.merged_into_id is None
        ),
        key=lambda values: values.name,
    )  # fmt: skip


def difference(connection: Connection, first: int, second: int) -> StoreDifference:
    """Compare the store as of two events. Reads the facts about the segments and classes that the events between them
    mention. Raises DataError for the number of no event."""
    for event in (first, second):
        events.require(connection, event)
    between = _events_between(connection, *sorted((first, second)))
    touched = select(SegmentFact.segment_id).where(SegmentFact.event_id.in_(between)).distinct()
    ids = sorted(connection.execute(touched).scalars())
    mentioned = select(ClassFact.category_id).where(ClassFact.event_id.in_(between)).distinct()
    categories = sorted(connection.execute(mentioned).scalars())
    names = {number: values.name for number, values in class_facts.values_of(connection).items()}
    return StoreDifference(
        tuple(_classes(connection, categories, first, second, names)),
        tuple(_segments(connection, ids, first, second, names)),
    )


def _events_between(connection: Connection, low: int, high: int) -> list[int]:
    """List the events after `low` up to `high`, and those that they took back."""
    rows = connection.execute(select(Event.id, Event.undoes).where(Event.id > low, Event.id <= high))
    return sorted({number for row in rows for number in row if number is not None})


def _classes(
    connection: Connection, categories: Sequence[int], first: int, second: int, names: Mapping[int, str]
) -> list[ClassChange]:
    was, became = (class_facts.values_of(connection, categories, at) for at in (first, second))

    def state(values: ClassValues | None) -> tuple[str | None, tuple[str, ...], str | None]:
        if values is None or values.retired_at is not None:
            return None, (), None
        into = None if values.merged_into_id is None else names[values.merged_into_id]
        return values.name, tuple(values.aliases.values()), into

    pairs = [(state(was.get(category)), state(became.get(category))) for category in categories]
    return [ClassChange(number, *old, *new) for number, (old, new) in zip(categories, pairs, strict=True) if old != new]


def _segments(
    connection: Connection, ids: Sequence[int], first: int, second: int, names: Mapping[int, str]
) -> list[SegmentChange]:
    changes = []
    for page in pages(ids, segment_facts.PAGE):
        rows = rows_in(connection, select(Segment.id, Segment.point_id), Segment.id, page)
        points = {row.id: row.point_id for row in rows}
        was, became = (dict(segment_facts.values_of(connection, page, at)) for at in (first, second))
        for segment in page:
            old, new = _state(was.get(segment), names), _state(became.get(segment), names)
            if old != new:
                changes.append(SegmentChange(points[segment], old, new))
    return changes


def _state(values: SegmentValues | None, names: Mapping[int, str]) -> SegmentState | None:
    if values is None:
        return None
    return SegmentState(names[values.category_id], values.status == NORMAL, values.mask_no, values.labelled_by)


def _aliases(classes: Mapping[int, ClassValues]) -> dict[int, tuple[str, ...]]:
    """List the aliases of each class, the names of the classes that were merged into it among them."""
    merged = {number: values.merged_into_id for number, values in classes.items() if values.merged_into_id}
    ends = ends_of_merges(merged)
    aliases: dict[int, list[str]] = {number: [] for number in classes}
    for number, values in classes.items():
        aliases[ends.get(number, number)] += values.aliases.values()
    for number, values in classes.items():
        if number in ends:
            aliases[ends[number]].append(values.name)
    return {number: tuple(names) for number, names in aliases.items()}
