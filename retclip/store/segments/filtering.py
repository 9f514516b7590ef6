"""The conditions of a filter in SQL, and segments in pages: one translation for search, corrections and audit.

Segments come in the order in which they were stored, so a page stays what it is while others are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, not_, or_, select

from retclip.errors import ConfigError, DataError
from retclip.kinds import checked_limit
from retclip.names import name_key
from retclip.store.ids import stored_name
from retclip.store.records import SegmentFilter, SegmentPage
from retclip.store.segments.categories import find_categories
from retclip.store.segments.cursors import cursor_after, place_of
from retclip.store.segments.trust import RULE
from retclip.store.segments.trust_columns import first_space
from retclip.store.sql.catalog import joined, living, pages, rows_in, visible
from retclip.store.sql.tables import (
    ACTIVE,
    NORMAL,
    QUARANTINED,
    RETIRED,
    Category,
    Dataset,
    Event,
    ImageRow,
    Run,
    Segment,
    SegmentFact,
    SegmentTrust,
)
from retclip.store.states import SegmentStatus

SHOWN = 20  # names in an error
DIGITS = 8  # of a digest or an id, at least
LIST = "list"  # the first word of the question behind a page


def conditions(connection: Connection, chosen: SegmentFilter) -> list[ColumnElement[bool]]:
    """Translate a filter but for its ids; the query must have image and category joined (`catalog.joined`).

    Raises DataError for a class, data set, image or run that the store does not have.
    """
    clauses: list[ColumnElement[bool]] = []
    if chosen.classes:
        clauses.append(Segment.category_id.in_(class_rows(connection, chosen.classes)))
    if chosen.datasets:
        clauses.append(ImageRow.dataset_id.in_(dataset_rows(connection, chosen.datasets)))
    if chosen.images:
        clauses.append(Segment.image_id.in_(image_rows(connection, chosen.images)))
    if chosen.runs:
        clauses.append(Segment.run_id.in_(run_rows(connection, chosen.runs)))
    if not chosen.any_state:
        clauses.append(or_(*(of_state(state) for state in chosen.states)))
    if chosen.label_sources:
        clauses.append(Segment.label_source.in_(chosen.label_sources))
    if chosen.min_score is not None:
        clauses.append(Segment.score >= chosen.min_score)
    if chosen.max_score is not None:
        clauses.append(Segment.score <= chosen.max_score)
    if chosen.since is not None or chosen.until is not None:
        clauses.append(_stored_between(chosen))
    if chosen.min_trust is not None or chosen.max_trust is not None:
        clauses.append(_trusted(connection, chosen))
    return clauses


def of_state(state: SegmentStatus) -> ColumnElement[bool]:
    """Make the condition of segments of a state; needs image and category joined. The three exclude each other."""
    quarantined = and_(Segment.status == QUARANTINED, ImageRow.state == ACTIVE, Category.retired_at.is_(None))
    return {
        SegmentStatus.VISIBLE: visible(), SegmentStatus.QUARANTINED: quarantined, SegmentStatus.RETIRED: not_(living())
    }[state]  # fmt: skip


def state_of(status: int, image_state: int, retired_at: object) -> SegmentStatus:
    """Tell the state of a segment from its row, its image's and its class's, as `of_state` does in SQL."""
    if status == RETIRED or image_state != ACTIVE or retired_at is not None:
        return SegmentStatus.RETIRED
    return SegmentStatus.VISIBLE if status == NORMAL else SegmentStatus.QUARANTINED


def select_page(connection: Connection, chosen: SegmentFilter, limit: int, after: str | None = None) -> SegmentPage:
    """Select a page of segments.

    limit: segments of a page, at least 1.
    after: the cursor of the page before, None for the first page.
    Raises ConfigError for a limit or a cursor that cannot be; DataError as `conditions`, and for unknown ids.
    """
    checked_limit(limit)
    question = (LIST, chosen.spelled())
    last = 0 if after is None else int(place_of(after, question, 1)[0])
    query = _filtered(connection, chosen, Segment.id, Segment.point_id).where(Segment.id > last)
    query = query.order_by(Segment.id).limit(limit + 1)
    if chosen.ids is None:
        rows = list(connection.execute(query))
    else:
        _require_ids(connection, chosen.ids)
        rows = sorted(rows_in(connection, query, Segment.point_id, chosen.ids), key=lambda row: int(row.id))
    more = len(rows) > limit
    rows = rows[:limit]
    return SegmentPage(tuple(row.point_id for row in rows), cursor_after(question, [rows[-1].id]) if more else None)


def count(connection: Connection, chosen: SegmentFilter) -> int:
    """Count the segments that a filter selects. Raises DataError as `select_page`."""
    query = _filtered(connection, chosen, Segment.id)
    if chosen.ids is None:
        return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())
    _require_ids(connection, chosen.ids)
    return sum(1 for _ in rows_in(connection, query, Segment.point_id, chosen.ids))


def selected_rows(connection: Connection, chosen: SegmentFilter, among: Sequence[UUID] | None = None) -> list[int]:
    """List the rows of the segments that a filter selects, ascending.

    among: only of these, unknown ones left out; None = of all.
    Raises DataError as `select_page`.
    """
    query = _filtered(connection, chosen, Segment.id)
    if chosen.ids is not None:
        _require_ids(connection, chosen.ids)
        wanted = set(chosen.ids)
        among = list(wanted) if among is None else [one for one in dict.fromkeys(among) if one in wanted]
    if among is None:
        return list(connection.execute(query.order_by(Segment.id)).scalars())
    return sorted(row.id for row in rows_in(connection, query, Segment.point_id, among))


def find_ids(connection: Connection, prefixes: Sequence[str]) -> list[UUID]:
    """Find the segments whose ids begin so.

    prefixes: hexadecimal digits, at least DIGITS of them, hyphens where they like.
    Raises DataError for a text that is none, an unknown id, and one that several segments share.
    """
    found, unknown = [], list[str]()
    for text in prefixes:
        digits = text.replace("-", "").lower()
        if not DIGITS <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
            todo = f"write at least {DIGITS} hexadecimal digits of it, as lists and explanations show it"
            raise DataError("the id of a segment", repr(text), todo)
        low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        query = select(Segment.point_id).where(Segment.point_id.between(low, high)).order_by(Segment.point_id)
        ids = list(connection.execute(query.limit(SHOWN + 1)).scalars())
        if len(ids) > 1:
            raise DataError("the id of one segment", f"{text}, which begins {_shown(ids)}", "write more of its digits")
        found += ids
        unknown += [] if ids else [text]
    if unknown:
        got = f"{unknown[0]}, and {len(unknown) - 1} more unknown" if len(unknown) > 1 else unknown[0]
        raise DataError("the id of a stored segment", got, "see `retclip explain` and `retclip store search`")
    return found


def class_rows(connection: Connection, names: Sequence[str]) -> list[int]:
    """Find the rows of classes by name or alias. Raises DataError with the names of the store."""
    keys = {name: name_key(name) for name in names}
    found = find_categories(connection, list(keys.values()))
    existing = select(Category.name).where(Category.merged_into_id.is_(None)).order_by(Category.name)
    _require(connection, "class", [name for name, key in keys.items() if key not in found], existing)
    return sorted(set(found.values()))


def dataset_rows(connection: Connection, names: Sequence[str]) -> list[int]:
    """Find the rows of data sets. Raises DataError with the names of the store."""
    rows = {row.name: row.id for row in rows_in(connection, select(Dataset.id, Dataset.name), Dataset.name, names)}
    _require(connection, "data set", [name for name in names if name not in rows], select(Dataset.name))
    return sorted(rows.values())


def run_rows(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Check the numbers of runs. Raises DataError with the numbers of the store."""
    rows = {row.id for row in rows_in(connection, select(Run.id), Run.id, numbers)}
    _require(connection, "run", [number for number in numbers if number not in rows], select(Run.id).order_by(Run.id))
    return sorted(rows)


def image_rows(connection: Connection, names: Sequence[str]) -> list[int]:
    """Find the rows of images by external id, address or sha256. Raises DataError with names of the store."""
    rows: set[int] = set()
    unknown = []
    for name in names:
        digits = name.lower()
        clause = or_(ImageRow.external_id == stored_name(name), ImageRow.uri == name)
        if DIGITS <= len(digits) <= 64 and not set(digits) - set("0123456789abcdef"):
            clause = or_(clause, ImageRow.sha256.between(digits.ljust(64, "0"), digits.ljust(64, "f")))
        numbers = set(connection.execute(select(ImageRow.id).where(clause)).scalars())
        rows |= numbers
        unknown += [] if numbers else [name]
    _require(connection, "image", unknown, select(ImageRow.external_id).order_by(ImageRow.id))
    return sorted(rows)


def rows_of_ids(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Map segments to their rows; unknown ones are left out."""
    query = select(Segment.point_id, Segment.id)
    return {row.point_id: row.id for row in rows_in(connection, query, Segment.point_id, ids)}


def _filtered(connection: Connection, chosen: SegmentFilter, *columns: Any) -> Select[Any]:
    return joined(select(*columns).select_from(Segment)).where(*conditions(connection, chosen))


def _stored_between(chosen: SegmentFilter) -> ColumnElement[bool]:
    """Make the condition of the moment of the event whose fact about a segment is the first."""
    moments = select(Event.id)
    if chosen.since is not None:
        moments = moments.where(Event.at >= chosen.since)
    if chosen.until is not None:
        moments = moments.where(Event.at <= chosen.until)
    first = select(SegmentFact.event_id).where(SegmentFact.segment_id == Segment.id).order_by(SegmentFact.id).limit(1)
    return first.correlate(Segment).scalar_subquery().in_(moments)


def _trusted(connection: Connection, chosen: SegmentFilter) -> ColumnElement[bool]:
    """Make the condition of the trust in the first space, at the segment's revision; a segment without a trust meets
    no bound. Raises ConfigError where no trust was computed."""
    space = connection.execute(first_space()).scalar_one()
    if space is None:
        todo = "compute it: retclip audit mislabels; or leave --min-trust and --max-trust out"
        raise ConfigError("a store that knows how far labels are trusted", "none computed yet", todo)
    of_segment = and_(SegmentTrust.segment_id == Segment.id, SegmentTrust.rev == Segment.rev)
    rows = select(SegmentTrust.trust).where(of_segment, SegmentTrust.space_id == space, SegmentTrust.rule == RULE)
    if chosen.min_trust is not None:
        rows = rows.where(SegmentTrust.trust >= chosen.min_trust)
    if chosen.max_trust is not None:
        rows = rows.where(SegmentTrust.trust <= chosen.max_trust)
    return rows.where(SegmentTrust.trust.is_not(None)).exists()


def _require_ids(connection: Connection, ids: Sequence[UUID]) -> None:
    """Raise DataError unless all are ids of segments; each must stand there once."""
    known = sum(
        connection.execute(select(func.count()).where(Segment.point_id.in_(page))).scalar_one() for page in pages(ids)
    )
    if known < len(ids):
        got = f"{len(ids) - known} of {len(ids)} unknown"
        raise DataError("ids of segments of this store", got, "see `retclip explain` and `retclip store search`")


def _require(connection: Connection, kind: str, unknown: Sequence[Any], existing: Select[Any]) -> None:
    """Raise DataError for unknown names. existing: a query for those of the store."""
    if not unknown:
        return
    names = list(connection.execute(existing.limit(SHOWN + 1)).scalars())
    there = _shown(names) if names else "none"
    raise DataError(
        f"{'an' if kind == 'image' else 'a'} {kind} of the store", _shown(unknown), f"choose one of these: {there}"
    )


def _shown(names: Sequence[Any]) -> str:
    more = ", ..." if len(names) > SHOWN else ""
    return ", ".join(str(name) for name in names[:SHOWN]) + more
