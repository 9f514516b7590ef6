"""The places of vectors as rows of SQL: the shard in the archive, and each segment's row in it.

A vector belongs to one mask in one space. After another mask fills a slot, its vectors are missing in the other spaces.
Once an earlier mask is current again, so are its vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, delete, insert, select

from retclip.store.archive.shards import Archive, crc32
from retclip.store.records import OpenRun
from retclip.store.sql.catalog import its_vector, pages
from retclip.store.sql.tables import FeatureGap, Segment, SegmentFeature, Shard
from retclip.store.work.ledger import row_id

NO_SHARD = -1
PLACE: tuple[Any, ...] = (Shard.sha256.label("shard"), SegmentFeature.row_no, SegmentFeature.crc32)


def with_place(query: Select[Any], space_id: int) -> Select[Any]:
    """Join a query of segments with the place of their vector in a space; the place's columns are PLACE."""
    with_vector = query.join(SegmentFeature, its_vector(SegmentFeature, space_id))
    return with_vector.join(Shard, Shard.id == SegmentFeature.shard_id)


def archived(archive: Archive, vectors: NDArray[np.float32]) -> tuple[str | None, list[int]]:
    """Write vectors to the archive, durably: (the shard's name, None if n is 0; the checksum of each row).

    vectors: (n, d) float32 of unit length.
    """
    name = archive.write(vectors) if len(vectors) else None
    return name, [crc32(vector) for vector in vectors.astype("<f2")]


def shard_id(connection: Connection, run: OpenRun, name: str | None, rows: int, dim: int) -> int:
    """Find or insert the row of a shard; NO_SHARD without a name.

    rows: vectors in it.
    dim: numbers in a vector.
    """
    if name is None:
        return NO_SHARD
    return row_id(connection, Shard, {"sha256": name}, {"row_count": rows, "dim": dim, "run_id": run.id})


def point_at_rows(
    connection: Connection, space_id: int, shard: int, rows: Mapping[int, int], masks: Mapping[int, int],
    checksums: Sequence[int],
) -> None:  # fmt: skip
    """Insert the place of each segment's vector in a space.

    shard: its row.
    rows: the row in the shard, by segment.
    masks: the number of the mask, by segment.
    checksums: by row in the shard.
    """
    values = [
        {"segment_id": segment, "mask_no": masks[segment], "space_id": space_id, "shard_id": shard, "row_no": row,
         "crc32": checksums[row]}
        for segment, row in rows.items()
    ]  # fmt: skip
    if values:
        connection.execute(insert(SegmentFeature), values)


def forget(connection: Connection, space_id: int, segment_ids: Sequence[int]) -> None:
    """Delete the vectors and gaps of the segments' current masks in a space."""
    for page in pages(segment_ids):
        for table in (SegmentFeature, FeatureGap):
            current = select(Segment.mask_no).where(Segment.id == table.segment_id).scalar_subquery()
            condition = (table.segment_id.in_(page), table.space_id == space_id, table.mask_no == current)
            connection.execute(delete(table).where(*condition))


def forget_earlier(connection: Connection, shards: Sequence[int]) -> None:
    """Delete the vectors of earlier masks in those shards."""
    current = select(Segment.mask_no).where(Segment.id == SegmentFeature.segment_id).scalar_subquery()
    for page in pages(shards):
        condition = (SegmentFeature.shard_id.in_(page), SegmentFeature.mask_no != current)
        connection.execute(delete(SegmentFeature).where(*condition))
