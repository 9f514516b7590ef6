"""Queries of the catalog: its classes, its visible segments, the records of segments.

Every function takes an open connection, so that a caller decides what belongs to one transaction. A segment is visible
when its image is active, its status normal and its class not retired; no index is ever asked about that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from retclip.store.records import StoreClass, StoredSegment
from retclip.store.sql.tables import (
    ACTIVE,
    NORMAL,
    QUARANTINED,
    Category,
    CategoryAlias,
    Dataset,
    FeatureGap,
    ImageRow,
    Mask,
    Proposer,
    Run,
    Segment,
    SegmentFeature,
)
from retclip.store.states import SegmentStatus

PAGE = 5000  # ids in one IN list: below SQLite's 32,766 and PostgreSQL's 65,535 parameters
STATUSES = {NORMAL: SegmentStatus.VISIBLE, QUARANTINED: SegmentStatus.QUARANTINED}
Item = TypeVar("Item")


def pages(items: Sequence[Item], size: int = PAGE) -> Iterator[Sequence[Item]]:
    """Cut a sequence into slices of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def rows_in(connection: Connection, query: Select[*tuple[Any, ...]], column: Any, keys: Sequence[Any]) -> Iterator[Any]:
    """Run a query for the rows whose column is one of many keys, PAGE keys in a statement."""
    for page in pages(keys):
        yield from connection.execute(query.where(column.in_(page)))


def visible() -> ColumnElement[bool]:
    """Make the condition of segments that may be shown; needs image and category joined."""
    return and_(Segment.status == NORMAL, ImageRow.state == ACTIVE, Category.retired_at.is_(None))


def living() -> ColumnElement[bool]:
    """Make the condition of segments that an index holds, hidden ones included; needs image and category joined."""
    return and_(Segment.status <= QUARANTINED, ImageRow.state == ACTIVE, Category.retired_at.is_(None))


def its_mask() -> ColumnElement[bool]:
    """Make the condition that joins a segment with its current mask."""
    return and_(Mask.segment_id == Segment.id, Mask.number == Segment.mask_no)


def its_vector(table: type[SegmentFeature | FeatureGap], space_id: Any) -> ColumnElement[bool]:
    """Make the condition that joins a segment's current mask with its vector or gap in a space.

    space_id: a row or a column.
    """
    return and_(table.segment_id == Segment.id, table.mask_no == Segment.mask_no, table.space_id == space_id)


def segment_ids(connection: Connection, ids: Sequence[UUID]) -> list[int]:
    """Find the rows of points, whatever their status; unknown ids are left out."""
    return [row.id for row in rows_in(connection, select(Segment.id), Segment.point_id, ids)]


def joined(query: Select[Any]) -> Select[Any]:
    """Join image and category to a query of segments."""
    return query.join(ImageRow, ImageRow.id == Segment.image_id).join(Category, Category.id == Segment.category_id)


def classes(connection: Connection) -> list[StoreClass]:
    """List every class that is not retired or merged, by name, with its visible segments counted. The names of classes
    that were merged into it are among its aliases."""
    counted = (
        select(
            Segment.category_id, func.count().label("segments"), func.count(Segment.image_id.distinct()).label("images")
        )
        .join(ImageRow, ImageRow.id == Segment.image_id)
        .where(Segment.status == NORMAL, ImageRow.state == ACTIVE)
        .group_by(Segment.category_id)
        .subquery()
    )
    rows = connection.execute(
        select(Category.id, Category.name, Category.is_thing, counted.c.segments, counted.c.images)
        .outerjoin(counted, counted.c.category_id == Category.id)
        .where(Category.retired_at.is_(None), Category.merged_into_id.is_(None))
    ).all()
    rows = sorted(rows, key=lambda row: str(row[1]))  # not by SQL: a database sorts as its locale says
    ends, aliases = merged_into(connection), dict[int, list[str]]()
    stored_aliases = select(CategoryAlias.category_id, CategoryAlias.alias).order_by(CategoryAlias.id)
    merged_names = select(Category.id, Category.name).where(Category.merged_into_id.is_not(None)).order_by(Category.id)
    for category_id, alias in (*connection.execute(stored_aliases), *connection.execute(merged_names)):
        aliases.setdefault(ends.get(category_id, category_id), []).append(alias)
    return [
        StoreClass(row[0], row[1], row[2], tuple(aliases.get(row[0], ())), row[3] or 0, row[4] or 0) for row in rows
    ]


def merged_into(connection: Connection) -> dict[int, int]:
    """Map each merged class to the class that it is now."""
    moved = select(Category.id, Category.merged_into_id).where(Category.merged_into_id.is_not(None))
    return ends_of_merges({row[0]: int(row[1]) for row in connection.execute(moved) if row[1] is not None})


def ends_of_merges(merged: Mapping[int, int]) -> dict[int, int]:
    """Map each merged class to the end of its chain of merges.

    merged: the class that each was merged into.
    """
    return {category_id: _end_of_merges(category_id, merged) for category_id in merged}


def _end_of_merges(category_id: int, merged: Mapping[int, int]) -> int:
    visited = {category_id}
    while (target := merged.get(category_id)) is not None and target not in visited:
        visited.add(target)
        category_id = target
    return category_id


def supported_classes(connection: Connection, category_ids: Sequence[int], space_id: int) -> set[int]:
    """List those of the classes that have a visible segment with a vector in a space. This runs for every image, so it
    stops at the first segment instead of counting."""
    any_segment = (
        select(Segment.id)
        .join(ImageRow, ImageRow.id == Segment.image_id)
        .join(SegmentFeature, its_vector(SegmentFeature, space_id))
        .where(Segment.category_id == Category.id, Segment.status == NORMAL, ImageRow.state == ACTIVE)
        .exists()
    )
    alive = select(Category.id).where(Category.retired_at.is_(None), Category.merged_into_id.is_(None), any_segment)
    return {row.id for row in rows_in(connection, alive, Category.id, category_ids)}


def visible_classes(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Map the visible ones of those segments to their *current* class; unknown, retired and quarantined ones drop
    out."""
    columns: tuple[Any, ...] = (Segment.point_id, Segment.category_id)
    query = joined(select(*columns)).where(visible())
    return {row.point_id: row.category_id for row in rows_in(connection, query, Segment.point_id, ids)}


def visible_by_class(connection: Connection, without: Sequence[UUID], without_runs: Sequence[int]) -> dict[str, int]:
    """Count the visible segments of each class, by its name, without some segments and without those that runs
    stored."""
    named: tuple[Any, ...] = (Category.name, func.count().label("segments"))
    counted = joined(select(*named).select_from(Segment)).where(visible()).group_by(Category.name)
    kept = counted.where(Segment.run_id.not_in(without_runs)) if without_runs else counted
    counts = {name: int(number) for name, number in connection.execute(kept)}
    columns: tuple[Any, ...] = (Category.name, Segment.run_id)
    for name, run in rows_in(connection, joined(select(*columns)).where(visible()), Segment.point_id, without):
        counts[name] = counts.get(name, 0) - (run not in without_runs)
    return counts


def stored_segments(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, StoredSegment]:
    """Read the records of segments for people, whatever their status; unknown ids are left out."""
    columns: tuple[Any, ...] = (
        Segment.point_id, Category.name.label("class_name"), Segment.label_source, Segment.confidence,
        Segment.labelled_by, ImageRow.sha256, ImageRow.uri, Dataset.name.label("dataset"), Mask.x, Mask.y, Mask.width,
        Mask.height, Mask.area, Proposer.name.label("proposer"), Segment.run_id, Segment.status, Segment.prompt,
        Segment.score, Segment.detector_score, Segment.mask_score, Run.proposer_version, Run.source, Run.components,
    )  # fmt: skip
    query = (
        joined(select(*columns))
        .join(Dataset, Dataset.id == ImageRow.dataset_id)
        .join(Proposer, Proposer.id == Segment.proposer_id)
        .join(Mask, its_mask())
        .join(Run, Run.id == Segment.run_id)
    )
    return {row.point_id: _stored_segment(row) for row in rows_in(connection, query, Segment.point_id, ids)}


def point_ids(connection: Connection, segment_ids: Sequence[int]) -> list[UUID]:
    """Read the point ids of segment rows, whatever their status."""
    return [row.point_id for row in rows_in(connection, select(Segment.point_id), Segment.id, segment_ids)]


def _stored_segment(row: Row[Any]) -> StoredSegment:
    return StoredSegment(
        id=row.point_id,
        class_name=row.class_name,
        label_source=row.label_source,
        confidence=row.confidence,
        labelled_by=row.labelled_by,
        image_sha256=row.sha256,
        image_uri=row.uri,
        dataset=row.dataset,
        box=(row.x, row.y, row.x + row.width, row.y + row.height),
        area=row.area,
        proposer=row.proposer,
        run=row.run_id,
        status=STATUSES.get(row.status, SegmentStatus.RETIRED),
        prompt=row.prompt,
        score=row.score,
        detector_score=row.detector_score,
        mask_score=row.mask_score,
        proposer_version=row.proposer_version,
        source=row.source,
        components=row.components or {},
    )
