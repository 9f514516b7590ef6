"""Traces in SQL: the evidence of answers, which segments voted in each, and when it may be forgotten.

A trace is no truth of the store: it expires, and who erases a segment erases its votes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select

from retclip.store.records import KeptTrace
from retclip.store.sql.catalog import rows_in, segment_ids
from retclip.store.sql.columns import now
from retclip.store.sql.tables import Segment, Trace, TraceVoter


def keep(connection: Connection, photo: tuple[str, str], evidence: bytes, voters: Sequence[UUID], days: float) -> int:
    """Keep a trace, forget those that have expired; returns its number.

    photo: sha256 and address.
    voters: segments that voted; one that the store does not know any more is left out.
    """
    prune(connection)
    at = now()
    values = {"at": at, "expires_at": at + timedelta(days=days), "image_sha256": photo[0], "image_uri": photo[1]}
    number = connection.execute(insert(Trace).values(**values, evidence=evidence).returning(Trace.id)).scalar_one()
    rows = [{"trace_id": number, "segment_id": one} for one in segment_ids(connection, list(dict.fromkeys(voters)))]
    if rows:
        connection.execute(insert(TraceVoter), rows)
    return int(number)


def prune(connection: Connection) -> int:
    """Forget the traces that have expired; returns how many."""
    expired = [row.id for row in connection.execute(select(Trace.id).where(Trace.expires_at <= now()))]
    for table, column in ((TraceVoter, TraceVoter.trace_id), (Trace, Trace.id)):
        for start in range(0, len(expired), 1000):
            connection.execute(delete(table).where(column.in_(expired[start : start + 1000])))
    return len(expired)


def count(connection: Connection) -> int:
    """Count the traces that have not expired."""
    return connection.execute(select(func.count()).select_from(Trace).where(Trace.expires_at > now())).scalar_one()


def with_voters(connection: Connection, ids: Sequence[UUID], runs: Sequence[int]) -> list[int]:
    """List the traces in which any of these segments voted, or any that these runs stored, oldest first."""
    query = select(TraceVoter.trace_id).join(Segment, Segment.id == TraceVoter.segment_id)
    query = query.join(Trace, Trace.id == TraceVoter.trace_id).where(Trace.expires_at > now()).distinct()
    found = {row.trace_id for row in rows_in(connection, query, Segment.point_id, ids)}
    found |= {row.trace_id for row in rows_in(connection, query, Segment.run_id, runs)}
    return sorted(found)


def numbers(connection: Connection) -> list[int]:
    """List the traces that have not expired, oldest first."""
    return list(connection.execute(select(Trace.id).where(Trace.expires_at > now()).order_by(Trace.id)).scalars())


def read(connection: Connection, number: int) -> KeptTrace | None:
    """Read a trace; None where it was forgotten meanwhile."""
    row = connection.execute(select(Trace.__table__).where(Trace.id == number)).one_or_none()
    if row is None:
        return None
    return KeptTrace(row.id, row.at, row.expires_at, row.image_sha256, row.image_uri, bytes(row.evidence))


def voted(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """List those of the segments that voted in any trace that is kept."""
    query = select(Segment.point_id).join(TraceVoter, TraceVoter.segment_id == Segment.id)
    query = query.join(Trace, Trace.id == TraceVoter.trace_id).where(Trace.expires_at > now()).distinct()
    return {row.point_id for row in rows_in(connection, query, Segment.point_id, ids)}


def voting_classes(connection: Connection) -> set[int]:
    """List the classes, by row, of which any segment voted in a trace that is kept, by the labels that hold now."""
    query = select(Segment.category_id).join(TraceVoter, TraceVoter.segment_id == Segment.id)
    query = query.join(Trace, Trace.id == TraceVoter.trace_id).where(Trace.expires_at > now()).distinct()
    return set(connection.execute(query).scalars())
