"""The check of the chain of events (`chain_links`): where it breaks first, and rows that no link covers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Table, func, select

from retclip.store.findings import BrokenLink, ChainState
from retclip.store.sql.chain_links import (
    EVENTS,
    FACTS,
    link_hash,
    newest_link,
    numbers_of,
    ranges_of,
    read_rows,
)
from retclip.store.sql.row_digest import rows_digest
from retclip.store.sql.tables import ChainLink
from retclip.store.states import LinkFault

PAGE = 5000  # rows that are held against their links at once
HEAD_DIGITS = 8  # of a noted head at least
Fault = tuple[LinkFault, str]
Covered = tuple[int, int, int, int]  # first and last row, the number of the link, its event
TABLES = (EVENTS, *FACTS.values())


@dataclass(frozen=True)
class _Link:
    """A link, and the numbers of the rows that it covers, in the order of the digest."""

    row: Any
    rows: tuple[tuple[Table, list[int]], ...]

    @property
    def size(self) -> int:
        return sum(len(numbers) for _, numbers in self.rows)


def check_chain(connection: Connection, noted: str | None = None) -> ChainState:
    """Check the chain: each link against its hash, the link before it and its rows, each row for its link.

    noted: the head of the chain as somebody noted it, in full or from 8 digits on; None for none.
    The first question of a transaction.
    """
    if connection.dialect.name == "postgresql":  # all questions see the same rows, whoever writes meanwhile
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    number, head = newest_link(connection)
    broken = _first_broken(connection) or _covered_otherwise(connection)
    return ChainState(number, head, broken, None if noted is None else _links_since(connection, noted, number))


def _links_since(connection: Connection, noted: str, newest: int) -> int:
    """Count the links after a noted head; -1 if no link has that hash, or the digits are too few."""
    digits = noted.strip().lower()
    if len(digits) < HEAD_DIGITS:
        return -1
    query = select(func.max(ChainLink.number)).where(ChainLink.hash.startswith(digits, autoescape=True))
    number = connection.execute(query).scalar()
    return -1 if number is None else newest - int(number)


def _first_broken(connection: Connection) -> BrokenLink | None:
    """Find the first link that is not as it was appended, or whose rows are not."""
    hashes = set(connection.execute(select(ChainLink.hash)).scalars())
    number, previous = 0, ""
    for links in _pages(connection):
        contents = _contents(connection, links)
        for link in links:
            fault = _fault_of_link(link.row, number, previous, hashes) or _fault_of_rows(link, contents)
            if fault:
                return BrokenLink(link.row.number, link.row.event_id, *fault)
            number, previous = link.row.number, link.row.hash
    return None


def _fault_of_link(row: Any, number: int, previous: str, hashes: set[str]) -> Fault | None:
    """Compare a link with the one before it, and with its own hash.

    number, previous: of the link before it.
    hashes: of all links.
    """
    if row.number != number + 1:
        return LinkFault.MISSING, f"links {number + 1} to {row.number - 1} before it are gone"
    if row.previous != previous:
        if row.previous in hashes:
            return LinkFault.REORDERED, "it was appended after another link than the one before it"
        return LinkFault.CHANGED, "the link that it was appended after was changed or is gone"
    return None if link_hash(row._mapping) == row.hash else (LinkFault.CHANGED, "it is not what was appended")


def _fault_of_rows(link: _Link, contents: Mapping[str, Mapping[int, bytes]]) -> Fault | None:
    """Compare the rows that a link covers with its digest."""
    for table, numbers in link.rows:
        gone = [number for number in numbers if number not in contents[table.name]]
        if gone:
            return LinkFault.MISSING, f"{len(gone)} rows of {table.name} are gone, the first {gone[0]}"
    rows = (contents[table.name][number] for table, numbers in link.rows for number in numbers)
    return None if rows_digest(rows) == link.row.digest else (LinkFault.CHANGED, "rows of it are not what was added")


def _pages(connection: Connection) -> Iterator[list[_Link]]:
    """Read all links in their order, so many at once that they cover some PAGE rows."""
    page, size, last = list[_Link](), 0, 0
    while rows := _links_after(connection, last):
        for row in rows:
            link = _link(row)
            page.append(link)
            size += link.size
            if size >= PAGE:
                yield page
                page, size = [], 0
        last = rows[-1].number
    if page:
        yield page


def _links_after(connection: Connection, last: int) -> Sequence[Any]:
    query = select(ChainLink.__table__).where(ChainLink.number > last).order_by(ChainLink.number).limit(PAGE)
    return connection.execute(query).all()


def _link(row: Any) -> _Link:
    """Read the numbers of a link's rows; none where its text is unreadable, which its hash tells."""
    try:
        facts = [(table, numbers_of(row._mapping[column])) for column, table in FACTS.items()]
    except ValueError:
        facts = []
    return _Link(row, ((EVENTS, [row.event_id] if row.adds_event else []), *facts))


def _contents(connection: Connection, links: Sequence[_Link]) -> dict[str, dict[int, bytes]]:
    """Read the canonical bytes of the rows of links, by table and number."""
    numbers: dict[str, tuple[Table, set[int]]] = {}
    for link in links:
        for table, covered in link.rows:
            numbers.setdefault(table.name, (table, set()))[1].update(covered)
    return {name: read_rows(connection, table, sorted(several)) for name, (table, several) in numbers.items()}


def _covered_otherwise(connection: Connection) -> BrokenLink | None:
    """Find a row that two links cover, or none."""
    ranges: dict[str, list[Covered]] = {table.name: [] for table in TABLES}
    for links in _pages(connection):
        for link in links:
            for table, numbers in link.rows:
                known = (link.row.number, link.row.event_id)
                ranges[table.name] += [(*pair, *known) for pair in ranges_of(numbers)]
    for table in TABLES:
        found = _covered_twice(table, sorted(ranges[table.name])) or _uncovered(connection, table, ranges[table.name])
        if found:
            return found
    return None


def _covered_twice(table: Table, ranges: Sequence[Covered]) -> BrokenLink | None:
    for earlier, later in pairwise(ranges):
        if later[0] <= earlier[1]:
            message = f"row {later[0]} of {table.name} is another link's, too"
            return BrokenLink(max(earlier[2], later[2]), later[3], LinkFault.INSERTED, message)
    return None


def _uncovered(connection: Connection, table: Table, ranges: Sequence[Covered]) -> BrokenLink | None:
    """Find the first row that no link covers. Links cover no row that is gone, and none twice."""
    covered = sum(last - first + 1 for first, last, *_ in ranges)
    if connection.execute(select(func.count()).select_from(table)).scalar_one() == covered:
        return None
    event_id = table.c.id if table is EVENTS else table.c.event_id
    known = {number for first, last, *_ in ranges for number in range(first, last + 1)}
    rows = connection.execute(select(table.c.id, event_id).order_by(table.c.id).execution_options(yield_per=PAGE))
    for number, event in rows:
        if number not in known:
            return BrokenLink(None, event, LinkFault.INSERTED, f"row {number} of {table.name} has no link")
    return None
