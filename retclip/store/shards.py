"""The archive's files held against SQL: which are damaged or gone, which nobody refers to, what to build again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, or_, select

from retclip.store import ledger
from retclip.store.archive import Archive
from retclip.store.ledger import ADD_SPACE
from retclip.store.outbox import announce
from retclip.store.tables import Segment, SegmentFeature, Space
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
    makes them again; returns these sources. Of vectors that a build of the first space made; see `add_again`."""
    hurt = (
        select(Segment.image_id)
        .join(SegmentFeature, SegmentFeature.segment_id == Segment.id)
        .where(SegmentFeature.shard_id.in_(_shards(connection, names, added=False)))
    )
    built = select(Run.id).where(Run.space_id == _first_space(connection))
    theirs = and_(Unit.image_id.in_(hurt), Unit.run_id.in_(built))
    sources = connection.execute(select(Run.source).join(Unit, Unit.run_id == Run.id).where(theirs).distinct())
    found = sorted(sources.scalars())
    connection.execute(delete(Unit).where(theirs))
    return found


def add_again(connection: Connection, names: Sequence[str]) -> list[str]:
    """Forget the vectors that lay in those shards and that `store add-space` can make again, which is any of another
    space than the first, and what it made itself; returns these spaces' backbones."""
    found: set[str] = set()
    for shard in _shards(connection, names, added=True):
        mine = SegmentFeature.shard_id == shard
        rows = connection.execute(select(SegmentFeature.segment_id, SegmentFeature.space_id).where(mine)).all()
        connection.execute(delete(SegmentFeature).where(mine))
        for space in {row[1] for row in rows}:
            found.add(connection.execute(select(Space.backbone).where(Space.id == space)).scalar_one())
            announce(connection, ledger.live_versions(connection, space), [row[0] for row in rows])
    return sorted(found)


def _shards(connection: Connection, names: Sequence[str], added: bool) -> list[int]:
    """The rows of those of the shards whose vectors `store add-space` can make again, or of the others."""
    repeatable = or_(Run.kind == ADD_SPACE, Run.space_id != _first_space(connection))
    query = select(Shard.id).join(Run, Run.id == Shard.run_id).where(Shard.sha256.in_(names))
    return list(connection.execute(query.where(repeatable if added else ~repeatable)).scalars())


def _first_space(connection: Connection) -> int:
    return connection.execute(select(Space.id).order_by(Space.id).limit(1)).scalar_one()
