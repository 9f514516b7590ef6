"""The archive's files held against SQL: which are damaged or gone, which nobody refers to, what to build again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from retclip.store.archive import Archive
from retclip.store.tables import Segment, SegmentFeature
from retclip.store.work_tables import Run, Shard, Unit


def shard_names(connection: Connection) -> list[str]:
    """The shards that hold a vector of some segment."""
    used = select(SegmentFeature.shard_id).distinct()
    return list(connection.execute(select(Shard.sha256).where(Shard.id.in_(used)).order_by(Shard.id)).scalars())


def damaged_shards(archive: Archive, names: Sequence[str]) -> list[str]:
    """Those whose file is missing or is not what its name says. Reads every byte, so no transaction waits for it."""
    return [name for name in names if not archive.verify(name)]


def unreferenced_shards(connection: Connection, archive: Archive) -> list[str]:
    """Files that no row names: what a build left when it was killed between its shard and its transaction."""
    return sorted(archive.names() - set(connection.execute(select(Shard.sha256)).scalars()))


def build_again(connection: Connection, names: Sequence[str]) -> list[str]:
    """Take the images whose vectors lay in those shards out of the ledger, so that the next build of their sources
    makes them again; returns these sources."""
    hurt = (
        select(Segment.image_id)
        .join(SegmentFeature, SegmentFeature.segment_id == Segment.id)
        .join(Shard, Shard.id == SegmentFeature.shard_id)
        .where(Shard.sha256.in_(names))
    )
    theirs = Unit.image_id.in_(hurt)
    sources = connection.execute(select(Run.source).join(Unit, Unit.run_id == Run.id).where(theirs).distinct())
    found = sorted(sources.scalars())
    connection.execute(delete(Unit).where(theirs))
    return found
