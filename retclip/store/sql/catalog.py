"""Questions to SQL: which classes there are, which segments may be seen, what a segment is.

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

PAGE = 5000  # ids in one IN list: below SQLite's 32,766 and PostgreSQL's 65,535 parameters
STATUS_NAMES = {NORMAL: "normal", QUARANTINED: "quarantined"}
Item = TypeVar("Item")


def pages(items: Sequence[Item], size: int = PAGE) -> Iterator[Sequence[Item]]:
    """Slices of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def visible() -> ColumnElement[bool]:
    """The condition under which a segment may be shown; needs image and category joined."""
    return and_(Segment.status == NORMAL, ImageRow.state == ACTIVE, Category.retired_at.is_(None))


def living() -> ColumnElement[bool]:
    """The condition under which an index holds a segment, were it hidden; needs image and category joined."""
    return and_(Segment.status <= QUARANTINED, ImageRow.state == ACTIVE, Category.retired_at.is_(None))


def its_mask() -> ColumnElement[bool]:
    """The condition of a segment's mask that holds now."""
    return and_(Mask.segment_id == Segment.id, Mask.number == Segment.mask_no)


def its_vector(table: type[SegmentFeature | FeatureGap], space_id: Any) -> ColumnElement[bool]:
    """The condition of what a space knows of that mask."""
    return and_(table.segment_id == Segment.id, table.mask_no == Segment.mask_no, table.space_id == space_id)


def segment_ids(connection: Connection, ids: Sequence[UUID]) -> list[int]:
    """The rows of those points, whatever their status; unknown ids are left out."""
    found: list[int] = []
    for page in pages(ids):
        found += connection.execute(select(Segment.id).where(Segment.point_id.in_(page))).scalars()
    return found


def joined(query: Select[Any]) -> Select[Any]:
    """A query about segments with image and category joined."""
    return query.join(ImageRow, ImageRow.id == Segment.image_id).join(Category, Category.id == Segment.category_id)


def classes(connection: Connection) -> list[StoreClass]:
    """Every class that is not retired or merged away, by name, with its visible segments counted. The names of what was
    merged into it are among its aliases."""
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
    given = select(CategoryAlias.category_id, CategoryAlias.alias).order_by(CategoryAlias.id)
    gone = select(Category.id, Category.name).where(Category.merged_into_id.is_not(None)).order_by(Category.id)
    for category_id, alias in (*connection.execute(given), *connection.execute(gone)):
        aliases.setdefault(ends.get(category_id, category_id), []).append(alias)
    return [StoreClass(r[0], r[1], r[2], tuple(aliases.get(r[0], ())), r[3] or 0, r[4] or 0) for r in rows]


def merged_into(connection: Connection) -> dict[int, int]:
    """Of each class that was merged away the one that it is now."""
    moved = select(Category.id, Category.merged_into_id).where(Category.merged_into_id.is_not(None))
    return ends_of_merges({row[0]: int(row[1]) for row in connection.execute(moved) if row[1] is not None})


def ends_of_merges(merged: Mapping[int, int]) -> dict[int, int]:
    """Of each class that was merged away the one that it is, by what each was merged into."""
    return {one: _end_of_merges(one, merged) for one in merged}


def _end_of_merges(category_id: int, merged: Mapping[int, int]) -> int:
    seen = {category_id}
    while (target := merged.get(category_id)) is not None and target not in seen:
        seen.add(target)
        category_id = target
    return category_id


def supported_classes(connection: Connection, category_ids: Sequence[int], space_id: int) -> set[int]:
    """Those of the classes that have a visible segment with a vector in that space. Asked for every image, so it stops
    at the first one it finds instead of counting."""
    any_segment = (
        select(Segment.id)
        .join(ImageRow, ImageRow.id == Segment.image_id)
        .join(SegmentFeature, its_vector(SegmentFeature, space_id))
        .where(Segment.category_id == Category.id, Segment.status == NORMAL, ImageRow.state == ACTIVE)
        .exists()
    )
    alive = select(Category.id).where(Category.retired_at.is_(None), Category.merged_into_id.is_(None), any_segment)
    return {
        found
        for page in pages(category_ids)
        for found in connection.execute(alive.where(Category.id.in_(page))).scalars()
    }


def visible_classes(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Of those segments, the visible ones with their class *now*; unknown, retired and quarantined ones drop out."""
    columns: tuple[Any, ...] = (Segment.point_id, Segment.category_id)
    found: dict[UUID, int] = {}
    for page in pages(ids):
        query = joined(select(*columns)).where(visible(), Segment.point_id.in_(page))
        found.update({row[0]: row[1] for row in connection.execute(query)})
    return found


def stored_segments(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, StoredSegment]:
    """What people may know about those segments, whatever their status; unknown ids are left out."""
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
    found = {}
    for page in pages(ids):
        for row in connection.execute(query.where(Segment.point_id.in_(page))):
            found[row.point_id] = _stored_segment(row)
    return found


def segment_mask(connection: Connection, point_id: UUID) -> tuple[bytes, int, int] | None:
    """(COCO compressed counts, height, width) of a stored segment's mask, None for an unknown id."""
    query = select(Mask.rle, ImageRow.height, ImageRow.width).select_from(Segment)
    query = query.join(ImageRow, ImageRow.id == Segment.image_id).join(Mask, its_mask())
    row = connection.execute(query.where(Segment.point_id == point_id)).one_or_none()
    return (row[0], row[1], row[2]) if row else None


def point_ids(connection: Connection, segment_ids: Sequence[int]) -> list[UUID]:
    """The point ids of segment rows, whatever their status."""
    found: list[UUID] = []
    for page in pages(segment_ids):
        found += connection.execute(select(Segment.point_id).where(Segment.id.in_(page))).scalars()
    return found


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
        status=STATUS_NAMES.get(row.status, "retired"),
        prompt=row.prompt,
        score=row.score,
        detector_score=row.detector_score,
        mask_score=row.mask_score,
        proposer_version=row.proposer_version,
        source=row.source,
        components=row.components or {},
    )
