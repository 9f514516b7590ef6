"""Segments as lists show them, whatever their state, their masks, and the boxes of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from retclip.store.records import ListedSegment
from retclip.store.segments.filtering import state_of
from retclip.store.segments.trust_columns import with_trust
from retclip.store.sql.catalog import its_mask, joined, rows_in
from retclip.store.sql.tables import Category, Dataset, ImageRow, Mask, Segment


def listed(connection: Connection, ids: Sequence[UUID]) -> list[ListedSegment]:
    """List segments in the order of their ids; unknown ones are left out."""
    columns: tuple[Any, ...] = (
        Segment.point_id, Category.name.label("class_name"), Dataset.name.label("dataset"), ImageRow.external_id,
        ImageRow.uri, ImageRow.sha256, Mask.x, Mask.y, Mask.width, Mask.height, Segment.label_source, Segment.status,
        ImageRow.state, Category.retired_at, Segment.score, Segment.run_id,
    )  # fmt: skip
    query = (
        joined(select(*columns).select_from(Segment))
        .join(Dataset, Dataset.id == ImageRow.dataset_id)
        .join(Mask, its_mask())
    )
    rows = {row.point_id: _listed(row) for row in rows_in(connection, with_trust(query), Segment.point_id, ids)}
    return [rows[one] for one in ids if one in rows]


def masks(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, int, int]]:
    """Read masks: (COCO compressed counts, image height, image width in pixels); unknown ids are left out."""
    query = select(Segment.point_id, Mask.rle, ImageRow.height, ImageRow.width).select_from(Segment)
    query = query.join(ImageRow, ImageRow.id == Segment.image_id).join(Mask, its_mask())
    rows = rows_in(connection, query, Segment.point_id, ids)
    return {row.point_id: (bytes(row.rle), row.height, row.width) for row in rows}


def mask_boxes(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[int, ...]]:
    """Read the boxes of masks: (x, y, width, height, pixels of the mask, image width, image height); unknown ids are
    left out."""
    columns: tuple[Any, ...] = (Mask.x, Mask.y, Mask.width, Mask.height, Mask.area, ImageRow.width, ImageRow.height)
    query = select(Segment.point_id, *columns).select_from(Segment)
    query = query.join(ImageRow, ImageRow.id == Segment.image_id).join(Mask, its_mask())
    return {row[0]: tuple(row[1:]) for row in rows_in(connection, query, Segment.point_id, ids)}


def _listed(row: Any) -> ListedSegment:
    return ListedSegment(
        id=row.point_id, class_name=row.class_name, dataset=row.dataset, image=row.external_id, image_uri=row.uri,
        image_sha256=row.sha256, box=(row.x, row.y, row.x + row.width, row.y + row.height),
        label_source=row.label_source, state=state_of(row.status, row.state, row.retired_at), score=row.score,
        run=row.run_id, trust=row.trust, suggested=row.suggested or "",
    )  # fmt: skip
