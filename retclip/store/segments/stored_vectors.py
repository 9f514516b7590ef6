"""Vectors of segments as the archive holds them, whatever the segments' state: no index is asked."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from retclip.store.archive.shards import Archive
from retclip.store.archive.vector_rows import PLACE, with_place
from retclip.store.sql.catalog import rows_in
from retclip.store.sql.tables import Segment


def vectors_of(
    connection: Connection, archive: Archive, ids: Sequence[UUID], space_id: int, dim: int
) -> dict[UUID, NDArray[np.float32]]:
    """Read the vectors of segments in a space, (d,) float32 of unit length each; a segment without one is left out.

    Raises StoreDamaged.
    """
    query = with_place(select(Segment.point_id, *PLACE).select_from(Segment), space_id)
    rows = list(rows_in(connection, query, Segment.point_id, ids))
    return dict(zip((row.point_id for row in rows), archive.vectors(rows, dim), strict=True))
