"""Vectors of one more space for stored segments: archive first, then one SQL transaction.

Segments, labels, units and the vectors of other spaces are only read. Killed before COMMIT it leaves at most a shard
that nobody refers to; after it, the outbox makes that space's index follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, Engine, select

from retclip.store.archive import vector_rows
from retclip.store.archive.shards import Archive
from retclip.store.crash_points import reach
from retclip.store.records import AddedVectors, OpenRun, StoredMask
from retclip.store.sql.catalog import rows_in
from retclip.store.sql.engine import insert_or_keep, retry_while_busy, transaction
from retclip.store.sql.tables import FeatureGap, Segment
from retclip.store.work.outbox import announce_changes


def commit_added(engine: Engine, archive: Archive, run: OpenRun, dim: int, results: Sequence[AddedVectors]) -> int:
    """Store the results in one shard and one transaction; returns the number of vectors.

    A segment whose mask was replaced since it was read is skipped, and still misses its vector.

    dim: numbers in a vector.
    Raises StoreBusy, StoreError.
    """
    vectors = np.concatenate([result.vectors for result in results]) if results else np.zeros((0, dim), np.float32)
    shard, checksums = vector_rows.archived(archive, vectors)
    reach("shard written")
    stored = retry_while_busy(lambda: _commit(engine, run, results, shard, dim, checksums))
    reach("committed")
    return stored


def _commit(
    engine: Engine, run: OpenRun, results: Sequence[AddedVectors], shard: str | None, dim: int, checksums: Sequence[int]
) -> int:
    masks = [mask for result in results for mask in result.masks]
    with transaction(engine, write=True) as connection:
        unchanged = _unchanged(connection, [*masks, *(mask for result in results for mask in result.waived)])
        rows = {mask.id: row for row, mask in enumerate(masks) if mask.id in unchanged}
        shard_id = vector_rows.shard_id(connection, run, shard, len(checksums), dim)
        vector_rows.forget(connection, run.space_id, list(rows))
        numbers = {mask.id: mask.mask_no for mask in masks}
        vector_rows.point_at_rows(connection, run.space_id, shard_id, rows, numbers, checksums)
        for result in results:
            _waive(connection, run, result, unchanged)
        announce_changes(connection, list(rows), run.space_id)
        reach("before commit")
    return len(rows)


def _unchanged(connection: Connection, masks: Sequence[StoredMask]) -> set[int]:
    """List the segments whose mask is as it was read, and lock their rows until the transaction ends."""
    mask_numbers = {mask.id: mask.mask_no for mask in masks}
    query = select(Segment.id, Segment.mask_no).order_by(Segment.id).with_for_update()
    rows = rows_in(connection, query, Segment.id, sorted(mask_numbers))
    return {row.id for row in rows if row.mask_no == mask_numbers[row.id]}


def _waive(connection: Connection, run: OpenRun, result: AddedVectors, unchanged: set[int]) -> None:
    masks = [mask for mask in result.waived if mask.id in unchanged]
    vector_rows.forget(connection, run.space_id, [mask.id for mask in masks])
    common = {"space_id": run.space_id, "reason": result.reason, "run_id": run.id}
    rows = [{"segment_id": mask.id, "mask_no": mask.mask_no, **common} for mask in masks]
    if rows:
        connection.execute(insert_or_keep(connection, FeatureGap), rows)
