"""Opening an index in memory: from the rows that are kept beside the store, or from SQL and the archive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from retclip.store.index import kept_rows, sync
from retclip.store.index.reconcile import catch_up, lacks_points
from retclip.store.index.resident import ResidentIndex
from retclip.store.index.sync import Projection
from retclip.store.sql.engine import read
from retclip.store.work import outbox


def open_copy(
    projection_of: Callable[[ResidentIndex], Projection], path: Path, dim: int, device: str, believed: bool = True
) -> tuple[Projection, int]:
    """Open an index in memory, brought up to date; returns the newest row of the outbox that it has seen, too. Its rows
    are kept, in the place of those that were, where much has changed since.

    projection_of: puts the truth beside an index.
    path: the file of the kept rows.
    dim: numbers in a vector.
    believed: False to read SQL and the archive, whatever is kept.
    Raises StoreDamaged if the archive must be read and cannot; RowsDamaged if kept rows are, and were believed.
    """
    opened = _mapped(projection_of, path, dim, device) if believed else None
    if opened is not None:
        index, projection, last_row = opened
        if not lacks_points(projection) and index.is_sorted():
            return projection, last_row
    if opened is None or lacks_points(projection):
        index = ResidentIndex(dim, device)
        projection = projection_of(index)
        last_row = catch_up(projection)
    if index.count() >= kept_rows.KEPT_FROM and _keep(index, projection, path, last_row):
        again = _mapped(projection_of, path, dim, device)  # the file's memory is shared, and can be given back
        return again[1:] if again is not None else (projection, last_row)
    return projection, last_row


def _mapped(
    projection_of: Callable[[ResidentIndex], Projection], path: Path, dim: int, device: str
) -> tuple[ResidentIndex, Projection, int] | None:
    """Open the kept rows, and apply what changed since."""
    empty = projection_of(ResidentIndex(dim, device))
    kept = kept_rows.load(path, torch.device(device), partial(_mark, empty))
    if kept is None:
        return None
    index = ResidentIndex(dim, device, kept[0])
    projection = projection_of(index)
    return index, projection, sync.follow_since(projection, kept[1])


def _keep(index: ResidentIndex, projection: Projection, path: Path, last_row: int) -> bool:
    mark = _mark(projection, last_row)
    return mark is not None and kept_rows.keep(path, index.sort(), last_row, mark)


def _mark(projection: Projection, row: int) -> str | None:
    return read(projection.engine, partial(outbox.mark_of, version_id=projection.version_id, row_id=row))
