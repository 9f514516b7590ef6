"""Where vectors lie, as rows of SQL: the shard in the archive, and each segment's row in it.

A vector is of one mask in one space. A slot that is filled with another mask has no vector yet in the other spaces,
which say honestly that they lack it; should the earlier mask hold again, its vectors are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from retclip.store.archive.shards import Archive, crc32
from retclip.store.records import OpenRun
from retclip.store.sql.catalog import pages
from retclip.store.sql.tables import FeatureGap, Segment, SegmentFeature, Shard
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
    connection: Connection, space_id: int, shard: int, rows: Mapping[int, int], masks: Mapping[int, int],
    checksums: Sequence[int],
) -> None:  # fmt: skip
    """Say of each segment which row of the shard is the vector of its mask in that space.

    rows: segment to row.
    masks: segment to the number of its mask.
    """
    values = [
        {"segment_id": segment, "mask_no": masks[segment], "space_id": space_id, "shard_id": shard, "row_no": row,
         "crc32": checksums[row]}
        for segment, row in rows.items()
    ]  # fmt: skip
    if values:
        connection.execute(insert(SegmentFeature), values)


def forget(connection: Connection, space_id: int, segment_ids: Sequence[int]) -> None:
    """What that space knows of those segments' masks of now is gone."""
    for page in pages(segment_ids):
        for table in (SegmentFeature, FeatureGap):
            now = select(Segment.mask_no).where(Segment.id == table.segment_id).scalar_subquery()
            of_it = (table.segment_id.in_(page), table.space_id == space_id, table.mask_no == now)
            connection.execute(delete(table).where(*of_it))


def forget_earlier(connection: Connection, shards: Sequence[int]) -> None:
    """Of masks that hold no more what lay in those shards is gone."""
    now = select(Segment.mask_no).where(Segment.id == SegmentFeature.segment_id).scalar_subquery()
    for page in pages(shards):
        of_them = (SegmentFeature.shard_id.in_(page), SegmentFeature.mask_no != now)
        connection.execute(delete(SegmentFeature).where(*of_them))
