"""Checks of the archive's files against SQL, and the work that makes lost vectors again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from retclip.store.archive import vector_rows
from retclip.store.archive.shards import Archive
from retclip.store.archive.vector_rows import with_place
from retclip.store.classes import fills
from retclip.store.findings import Again
from retclip.store.history import events, segment_facts
from retclip.store.sql.catalog import pages, rows_in
from retclip.store.sql.tables import RETIRED, Proposer, Run, Segment, SegmentFeature, Shard, Space, Unit
from retclip.store.states import Action, RunKind
from retclip.store.work.outbox import announce_changes


def shard_names(connection: Connection) -> list[str]:
    """List the shards that hold a vector of some segment."""
    used = select(SegmentFeature.shard_id).distinct()
    return list(connection.execute(select(Shard.sha256).where(Shard.id.in_(used)).order_by(Shard.id)).scalars())


def damaged_shards(archive: Archive, names: Sequence[str]) -> list[str]:
    """List the shards whose file is missing or does not match its name. Reads every byte, so no transaction waits for
    it."""
    return [name for name in names if not archive.verify(name)]


def unreferenced_shards(connection: Connection, archive: Archive) -> list[str]:
    """List the files that no row names: a build was killed between its shard and its transaction."""
    return sorted(archive.names() - set(connection.execute(select(Shard.sha256)).scalars()))


def build_again(connection: Connection, names: Sequence[str]) -> list[Again]:
    """Delete the ledger's units of the images whose vectors lay in those shards; returns the work to repeat. This
    covers vectors that a run of the first space made; see `add_again` for the others.

    Segments of a fill are retired until it has continued, and its decision counts as not carried out: otherwise it
    would count them as enough; those of a class file, as its import skips segments that are stored. For retired
    segments and earlier masks only the place of the vector is deleted.

    names: of the shards.
    """
    shards, space_id = _shards(connection, names, added=False), _first_space(connection)
    lost = _lost(connection, shards, space_id)
    vector_rows.forget(connection, space_id, [segment.id for segment in lost if segment.status == RETIRED])
    vector_rows.forget_earlier(connection, shards)
    lost = [segment for segment in lost if segment.status != RETIRED]
    units, makers = _units(connection, lost, space_id), dict[int, list[int]]()
    for segment in lost:
        newest = max((run for _, run in units.get((segment.image_id, segment.prompt), ())), default=segment.run_id)
        makers.setdefault(newest, []).append(segment.id)
    for page in pages(sorted({key for several in units.values() for key, _ in several})):
        connection.execute(delete(Unit).where(Unit.key.in_(page)))
    return sorted({_again(connection, run, ids, space_id) for run, ids in sorted(makers.items())})


def _lost(connection: Connection, shards: Sequence[int], space_id: int) -> list[Any]:
    """Read the segments whose vector in a space lay in those shards, with the run that made it."""
    columns: tuple[Any, ...] = (Segment.id, Segment.image_id, Segment.prompt, Segment.status, Shard.run_id)
    query = with_place(select(*columns).select_from(Segment), space_id)
    return list(rows_in(connection, query, Shard.id, shards))


def _units(connection: Connection, lost: Sequence[Any], space_id: int) -> dict[tuple[int, str], list[tuple[str, int]]]:
    """Find the units of a space, key and run, that made each lost (image, prompt)."""
    columns = (Unit.key, Unit.image_id, Unit.classes, Unit.run_id)
    query = select(*columns).join(Run, Run.id == Unit.run_id).where(Run.space_id == space_id)
    places, units = (
        {(segment.image_id, segment.prompt) for segment in lost},
        dict[tuple[int, str], list[tuple[str, int]]](),
    )
    for row in rows_in(connection, query, Unit.image_id, sorted({segment.image_id for segment in lost})):
        for place in places & {(row.image_id, prompt) for prompt in row.classes}:
            units.setdefault(place, []).append((row.key, row.run_id))
    return units


def _again(connection: Connection, run_id: int, segment_ids: Sequence[int], space_id: int) -> Again:
    """Prepare that a run's vectors of those segments are made again."""
    columns = (Run.kind, Run.source, Run.config, Proposer.name)
    about = select(*columns).join(Proposer, Proposer.id == Run.proposer_id).where(Run.id == run_id)
    kind, source, config, proposer = connection.execute(about).one()
    if kind == RunKind.CLASS_IMPORT:
        file = config[events.IMPORT]
        _retire(connection, run_id, file["file"], segment_ids, space_id)
        return Again(kind, source, proposer, file["file"], recompute=file["recompute"])
    if kind != RunKind.CLASS_FILL:
        names = tuple(config.get("classes", ()))
        if kind == RunKind.CLASS_ADD:
            return Again(kind, source, proposer, names[0])
        return Again(kind, source, proposer, classes=() if config.get("every_class") else names)
    _retire(connection, run_id, config["fill"]["query"], segment_ids, space_id)
    name = fills.reopen_fill(connection, config["fill"], "its vectors were lost")
    matched = "" if name else config["fill"]["matched"]
    return Again(kind, source, proposer, name or config["fill"]["query"], matched)


def _retire(connection: Connection, run_id: int, target: str, segment_ids: Sequence[int], space_id: int) -> None:
    """Retire segments until their vectors are made again.

    target: of the event.
    """
    event = events.add(connection, f"run {run_id}", Action.REPAIR, target)
    segment_facts.add_same_fact(connection, event, segment_ids, present=False)
    vector_rows.forget(connection, space_id, segment_ids)
    announce_changes(connection, segment_ids)


def add_again(connection: Connection, names: Sequence[str]) -> list[str]:
    """Delete the places of vectors in those shards that `store add-space` can make again: those of further spaces, and
    those that it made itself; returns these spaces' backbones."""
    backbones: set[str] = set()
    for shard in _shards(connection, names, added=True):
        in_shard = SegmentFeature.shard_id == shard
        rows = connection.execute(select(SegmentFeature.segment_id, SegmentFeature.space_id).where(in_shard)).all()
        connection.execute(delete(SegmentFeature).where(in_shard))
        for space in {row[1] for row in rows}:
            backbones.add(connection.execute(select(Space.backbone).where(Space.id == space)).scalar_one())
            announce_changes(connection, [row[0] for row in rows], space)
    return sorted(backbones)


def _shards(connection: Connection, names: Sequence[str], added: bool) -> list[int]:
    """Find the rows of those shards whose vectors `store add-space` can make again, or of the others.

    added: True for the former.
    """
    repeatable = or_(Run.kind == RunKind.ADD_SPACE, Run.space_id != _first_space(connection))
    query = select(Shard.id).join(Run, Run.id == Shard.run_id).where(Shard.sha256.in_(names))
    return list(connection.execute(query.where(repeatable if added else ~repeatable)).scalars())


def _first_space(connection: Connection) -> int:
    return connection.execute(select(Space.id).order_by(Space.id).limit(1)).scalar_one()
