"""The archive's files held against SQL: which are damaged or gone, which nobody refers to, what to build again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from retclip.store.archive import vector_rows
from retclip.store.archive.shards import Archive
from retclip.store.classes import fills
from retclip.store.findings import Again
from retclip.store.history import events, segment_facts
from retclip.store.sql.catalog import its_vector, pages
from retclip.store.sql.tables import RETIRED, Proposer, Run, Segment, SegmentFeature, Shard, Space, Unit
from retclip.store.states import Action, RunKind
from retclip.store.work.outbox import announce_changes


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


def build_again(connection: Connection, names: Sequence[str]) -> list[Again]:
    """Take what was made of the images whose vectors lay in those shards out of the ledger, so that whoever made it
    makes it again; returns who that is. Of vectors that a run of the first space made; see `add_again`.

    Segments of a fill are retired until it has gone on, and its decision counts as not carried out: it would find that
    it has enough of them. Of segments that are retired already, and of masks that hold no more, only the place of the
    vector is forgotten."""
    shards, space_id = _shards(connection, names, added=False), _first_space(connection)
    lost = _lost(connection, shards, space_id)
    vector_rows.forget(connection, space_id, [one.id for one in lost if one.status == RETIRED])
    vector_rows.forget_earlier(connection, shards)
    lost = [one for one in lost if one.status != RETIRED]
    units, makers = _units(connection, lost, space_id), dict[int, list[int]]()
    for one in lost:
        newest = max((run for _, run in units.get((one.image_id, one.prompt), ())), default=one.run_id)
        makers.setdefault(newest, []).append(one.id)
    for page in pages(sorted({key for several in units.values() for key, _ in several})):
        connection.execute(delete(Unit).where(Unit.key.in_(page)))
    return sorted({_again(connection, run, ids, space_id) for run, ids in sorted(makers.items())})


def _lost(connection: Connection, shards: Sequence[int], space_id: int) -> list[Any]:
    """The segments whose vector in that space lay in those shards, with the run that made it."""
    query = (
        select(Segment.id, Segment.image_id, Segment.prompt, Segment.status, Shard.run_id)
        .join(SegmentFeature, its_vector(SegmentFeature, space_id))
        .join(Shard, Shard.id == SegmentFeature.shard_id)
    )
    return [row for page in pages(shards) for row in connection.execute(query.where(Shard.id.in_(page)))]


def _units(connection: Connection, lost: Sequence[Any], space_id: int) -> dict[tuple[int, str], list[tuple[str, int]]]:
    """Of each (image, prompt) among the lost the units of that space that made it: key and run."""
    query = select(Unit.key, Unit.image_id, Unit.classes, Unit.run_id).join(Run, Run.id == Unit.run_id)
    wanted, found = {(one.image_id, one.prompt) for one in lost}, dict[tuple[int, str], list[tuple[str, int]]]()
    for page in pages(sorted({one.image_id for one in lost})):
        for row in connection.execute(query.where(Unit.image_id.in_(page), Run.space_id == space_id)):
            for place in wanted & {(row.image_id, prompt) for prompt in row.classes}:
                found.setdefault(place, []).append((row.key, row.run_id))
    return found


def _again(connection: Connection, run_id: int, segment_ids: Sequence[int], space_id: int) -> Again:
    """Make ready that the run's vectors of those segments are made again."""
    columns = (Run.kind, Run.source, Run.config, Proposer.name)
    about = select(*columns).join(Proposer, Proposer.id == Run.proposer_id).where(Run.id == run_id)
    kind, source, config, proposer = connection.execute(about).one()
    if kind != RunKind.CLASS_FILL:
        names = tuple(config.get("classes", ()))
        if kind == RunKind.CLASS_ADD:
            return Again(kind, source, proposer, names[0])
        return Again(kind, source, proposer, classes=() if config.get("every_class") else names)
    event = events.add(connection, f"run {run_id}", Action.REPAIR, config["fill"]["query"])
    segment_facts.add_same_fact(connection, event, segment_ids, present=False)
    vector_rows.forget(connection, space_id, segment_ids)
    announce_changes(connection, segment_ids)
    name = fills.reopen_fill(connection, config["fill"], "its vectors were lost")
    matched = "" if name else config["fill"]["matched"]
    return Again(kind, source, proposer, name or config["fill"]["query"], matched)


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
            announce_changes(connection, [row[0] for row in rows], space)
    return sorted(found)


def _shards(connection: Connection, names: Sequence[str], added: bool) -> list[int]:
    """The rows of those of the shards whose vectors `store add-space` can make again, or of the others."""
    repeatable = or_(Run.kind == RunKind.ADD_SPACE, Run.space_id != _first_space(connection))
    query = select(Shard.id).join(Run, Run.id == Shard.run_id).where(Shard.sha256.in_(names))
    return list(connection.execute(query.where(repeatable if added else ~repeatable)).scalars())


def _first_space(connection: Connection) -> int:
    return connection.execute(select(Space.id).order_by(Space.id).limit(1)).scalar_one()
