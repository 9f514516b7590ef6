"""Vectors of segments as the archive holds them, whatever the segments' state: no index is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from retclip.store.archive.shards import Archive
from retclip.store.sql.catalog import its_vector, rows_in
from retclip.store.sql.tables import Segment, SegmentFeature, Shard

PLACE: tuple[Any, ...] = (Shard.sha256.label("shard"), SegmentFeature.row_no, SegmentFeature.crc32)


def with_place(query: Select[Any], space_id: int) -> Select[Any]:
    """Join a query of segments with the place of their vector in a space, whose columns are PLACE."""
    return query.join(SegmentFeature, its_vector(SegmentFeature, space_id)).join(
        Shard, Shard.id == SegmentFeature.shard_id
    )


def read_vectors(archive: Archive, places: Sequence[Any], dim: int) -> NDArray[np.float32]:
    """Read vectors, (n, d) float32 of unit length, shard by shard.

    places: rows with the columns of PLACE.
    dim: numbers in a vector.
    Raises StoreDamaged.
    """
    vectors = np.empty((len(places), dim), dtype=np.float32)
    members: dict[str, list[int]] = {}
    for number, place in enumerate(places):
        members.setdefault(place.shard, []).append(number)
    for shard, numbers in members.items():
        rows = np.array([places[number].row_no for number in numbers], dtype=np.int64)
        checksums = np.array([places[number].crc32 for number in numbers], dtype=np.int64)
        vectors[numbers] = archive.rows(shard, rows, checksums)
    return vectors


def vectors_of(
    connection: Connection, archive: Archive, ids: Sequence[UUID], space_id: int, dim: int
) -> dict[UUID, NDArray[np.float32]]:
    """Read the vectors of segments in a space, (d,) float32 of unit length each; a segment without one is left out.

    Raises StoreDamaged.
    """
    query = with_place(select(Segment.point_id, *PLACE).select_from(Segment), space_id)
    rows = list(rows_in(connection, query, Segment.point_id, ids))
    return dict(zip((row.point_id for row in rows), read_vectors(archive, rows, dim), strict=True))
