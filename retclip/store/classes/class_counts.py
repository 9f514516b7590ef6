"""The classes with what stands behind each: segments that may vote for it, and negative examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sqlalchemy import Connection

from retclip.store.history.rejections import rejections
from retclip.store.records import StoreClass
from retclip.store.sql import catalog


def counted_classes(connection: Connection) -> list[StoreClass]:
    """List every class that is not retired or merged, by name (`catalog.classes`). A segment that was rejected for its
    own label counts as a negative example alone."""
    every = rejections(connection)
    against = Counter(one.category for one in every)
    own = Counter(one.category for one in every if one.category == one.label)
    return [
        replace(row, segments=row.segments - own[row.id], negatives=against[row.id])
        for row in catalog.classes(connection)
    ]
