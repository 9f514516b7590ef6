"""What an addition replaces, kept until its undo: masks, scores, states and the rows of vectors in every space.

Before a run of `class add` or of a fill touches a segment that another run made, a row of `replaced_segment` says what
it was. Several additions of one segment make a chain: an undo takes its link out, wherever in the chain it stands. What
another kind of work made of a segment since stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from retclip.store.archive.vector_rows import put_back, vectors_of
from retclip.store.records import OpenRun
from retclip.store.sql.catalog import pages
from retclip.store.sql.engine import insert_or_keep
from retclip.store.sql.tables import RETIRED, ReplacedSegment, Segment
from retclip.store.states import RunKind

UNDONE = (RunKind.CLASS_ADD, RunKind.CLASS_FILL)  # kinds of runs that have an undo; others would only fill the table
SHAPE = ("x", "y", "width", "height", "area", "score", "detector_score", "mask_score", "rle")
Row = Mapping[str, Any]


def keep(connection: Connection, run: OpenRun, redrawn: Sequence[int], emptied: Sequence[int]) -> None:
    """Called before a run fills slots of segments anew (`redrawn`) and retires others (`emptied`), in that transaction.
    Nothing is kept of what the run itself made, nor twice: the first touch counts."""
    if run.kind not in UNDONE:
        return
    for page in pages(sorted({*redrawn, *emptied})):
        rows = [
            {"run_id": run.id, "segment_id": one["id"], "was_run_id": one["run_id"], "status": one["status"],
             "vectors": vectors, **{name: one[name] for name in SHAPE}}
            for one, vectors in _now(connection, page) if one["run_id"] != run.id
        ]  # fmt: skip
        if rows:
            connection.execute(insert_or_keep(connection, ReplacedSegment), rows)
    for ids, left in ((redrawn, {"redrawn": True, "emptied": False}), (emptied, {"emptied": True})):
        for page in pages(ids):
            mine = (ReplacedSegment.run_id == run.id, ReplacedSegment.segment_id.in_(page))
            connection.execute(update(ReplacedSegment).where(*mine).values(**left))


def give_back(connection: Connection, runs: Sequence[int]) -> list[int]:
    """Make segments what they were before those runs, which an undo takes back, and forget what was kept for it. The
    segments that changed; the caller announces them.

    A segment that a later addition took over stays, and that one's undo no longer leads back to these runs."""
    changed: dict[int, None] = {}
    table = ReplacedSegment.__table__
    query = select(table).where(table.c.run_id.in_(runs)).order_by(table.c.id.desc())
    for kept in [dict(row) for row in connection.execute(query).mappings()]:
        ((segment, vectors),) = _now(connection, [kept["segment_id"]])
        owner = kept["run_id"] if kept["redrawn"] else kept["was_run_id"]
        if segment["run_id"] == owner and (kept["redrawn"] or segment["status"] == RETIRED):
            _restore(connection, kept, segment, vectors)
            changed[segment["id"]] = None
        _pass_on(connection, kept, owner, runs)
    connection.execute(delete(ReplacedSegment).where(ReplacedSegment.run_id.in_(runs)))
    made = update(ReplacedSegment).where(ReplacedSegment.was_run_id.in_(runs))
    connection.execute(made.values(status=RETIRED))  # a later addition took over what these runs had made
    return list(changed)


def _now(connection: Connection, segment_ids: Sequence[int]) -> list[tuple[Row, dict[str, Any]]]:
    """Segments as they are, with their vectors' rows. Held until the transaction ends: nobody replaces them between."""
    columns = (Segment.id, Segment.run_id, Segment.status, *(getattr(Segment, name) for name in SHAPE))
    query = select(*columns).where(Segment.id.in_(segment_ids)).order_by(Segment.id).with_for_update()
    rows = connection.execute(query).mappings().all()
    vectors = vectors_of(connection, segment_ids)
    return [(dict(one), vectors[one["id"]]) for one in rows]


def _restore(connection: Connection, kept: Row, segment: Row, vectors: Row) -> None:
    values = {"status": _status(kept, segment["status"]), "rev": Segment.rev + 1}
    if kept["redrawn"]:
        values |= {"run_id": kept["was_run_id"], **{name: kept[name] for name in SHAPE}}
        put_back(connection, segment["id"], _vectors(kept, segment["rle"], vectors))
    connection.execute(update(Segment).where(Segment.id == segment["id"]).values(**values))


def _pass_on(connection: Connection, kept: Row, owner: int, runs: Sequence[int]) -> None:
    """Later additions, up to the first that took the segment over, give it back as it was before this one."""
    table = ReplacedSegment.__table__
    later = (table.c.segment_id == kept["segment_id"], table.c.id > kept["id"], table.c.run_id.not_in(runs))
    following = connection.execute(select(table).where(*later).order_by(table.c.id)).mappings().all()
    for place, one in enumerate(following):
        if one["was_run_id"] != owner:
            return
        own = kept if place == 0 else {**kept, "emptied": False}  # a state of after another addition is that one's
        values: dict[str, Any] = {"status": _status(own, one["status"])}
        if kept["redrawn"]:
            values |= {"was_run_id": kept["was_run_id"], **{name: kept[name] for name in SHAPE}}
            values["vectors"] = _vectors(kept, one["rle"], one["vectors"])
        connection.execute(update(ReplacedSegment).where(ReplacedSegment.id == one["id"]).values(**values))
        if one["redrawn"]:
            return


def _status(kept: Row, status: int) -> int:
    """Of a segment that has that status now: a person's quarantine and a removal since the run stay."""
    undone = kept["status"] == RETIRED or (kept["emptied"] and status == RETIRED)
    return int(kept["status"]) if undone else status


def _vectors(kept: Row, rle: bytes, vectors: Row) -> Row:
    """As they were; where the mask is the same now, with those that other spaces got since."""
    if bytes(kept["rle"]) != bytes(rle):
        return dict(kept["vectors"])
    known = {one[0] for rows in kept["vectors"].values() for one in rows}
    return {
        key: [*rows, *(one for one in vectors[key] if one[0] not in known)] for key, rows in kept["vectors"].items()
    }
