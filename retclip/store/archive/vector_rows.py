"""Where vectors lie, as rows of SQL: the shard in the archive, and each segment's row in it.

A vector is of one mask in one space. When its slot is filled with another mask, the vectors in other spaces are stale:
they go in that same transaction, so that these spaces say honestly what they lack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select, true

from retclip.store.archive.shards import Archive, crc32
from retclip.store.records import OpenRun
from retclip.store.sql.catalog import pages
from retclip.store.sql.tables import FeatureGap, SegmentFeature, Shard
from retclip.store.work.ledger import row_id

NO_SHARD = -1


def archived(archive: Archive, vectors: NDArray[np.float32]) -> tuple[str | None, list[int]]:
    """Keep (n, d) vectors: (the shard's name, None where n is 0; the checksum of each row). Durable."""
    name = archive.write(vectors) if len(vectors) else None
    return name, [crc32(vector) for vector in vectors.astype("<f2")]


def shard_id(connection: Connection, run: OpenRun, name: str | None, rows: int, dim: int) -> int:
    """The row of a shard; NO_SHARD where there is none."""
    if name is None:
        return NO_SHARD
    return row_id(connection, Shard, {"sha256": name}, {"row_count": rows, "dim": dim, "run_id": run.id})


def point_at_rows(
    connection: Connection, space_id: int, shard: int, rows: Mapping[int, int], checksums: Sequence[int]
) -> None:
    """Say of each segment which row of the shard is its vector in that space. rows: segment to row."""
    forget(connection, space_id, list(rows))
    values = [
        {"segment_id": segment, "space_id": space_id, "shard_id": shard, "row_no": row, "crc32": checksums[row]}
        for segment, row in rows.items()
    ]
    if values:
        connection.execute(insert(SegmentFeature), values)


def vectors_of(connection: Connection, segment_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What every space knows of those segments, as JSON can hold it: "features" with [space, shard, row, crc32] each,
    "gaps" with [space, reason, run] each."""
    found: dict[int, dict[str, Any]] = {one: {"features": [], "gaps": []} for one in segment_ids}
    feature = (SegmentFeature.space_id, SegmentFeature.shard_id, SegmentFeature.row_no, SegmentFeature.crc32)
    gap = (FeatureGap.space_id, FeatureGap.reason, FeatureGap.run_id)
    for page in pages(segment_ids):
        for table, key, columns in ((SegmentFeature, "features", feature), (FeatureGap, "gaps", gap)):
            query = select(table.segment_id, *columns).where(table.segment_id.in_(page)).order_by(table.space_id)
            for segment, *values in connection.execute(query):
                found[segment][key].append(values)
    return found


def put_back(connection: Connection, segment_id: int, vectors: Mapping[str, Any]) -> None:
    """Make what every space knows of a segment what `vectors_of` once answered. Shards are never changed or removed
    from SQL, so their rows still hold the same vectors."""
    _forget(connection, [segment_id], true(), true())
    for space, shard, row, checksum in vectors["features"]:
        values = {"shard_id": shard, "row_no": row, "crc32": checksum}
        connection.execute(insert(SegmentFeature).values(segment_id=segment_id, space_id=space, **values))
    for space, reason, run in vectors["gaps"]:
        connection.execute(insert(FeatureGap).values(segment_id=segment_id, space_id=space, reason=reason, run_id=run))


def forget(connection: Connection, space_id: int, segment_ids: Sequence[int]) -> None:
    """What that space knows of those segments is gone."""
    _forget(connection, segment_ids, SegmentFeature.space_id == space_id, FeatureGap.space_id == space_id)


def forget_stale(connection: Connection, space_id: int, segment_ids: Sequence[int]) -> None:
    """Segments got another mask in a run of that space: what other spaces know of them is gone."""
    _forget(connection, segment_ids, SegmentFeature.space_id != space_id, FeatureGap.space_id != space_id)


def _forget(connection: Connection, segment_ids: Sequence[int], feature: Any, gap: Any) -> None:
    for page in pages(segment_ids):
        connection.execute(delete(SegmentFeature).where(SegmentFeature.segment_id.in_(page), feature))
        connection.execute(delete(FeatureGap).where(FeatureGap.segment_id.in_(page), gap))
