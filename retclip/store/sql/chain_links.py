"""The chain of events: a link for each transaction and each event that it adds rows to.

A person's change is one transaction and one link; a build's event grows over many. A link holds the numbers of the rows
that were added, their digest, and a hash over itself and the link before it. So a row or a link that somebody changed,
took out or put in later breaks the chain there (`chain_check`), and the newest hash, written down elsewhere, proves
that the end was not cut off.

`engine.transaction` appends the links as the last step of every writing transaction, under the lock of
`one_writer_at_a_time`: links are numbered in the order in which they are committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Table, insert, or_, select

from retclip.store.sql.catalog import pages
from retclip.store.sql.row_checksum import sealed_columns
from retclip.store.sql.row_digest import row_bytes, rows_digest
from retclip.store.sql.tables import ChainLink, ClassFact, Event, RejectionFact, SegmentFact

RANGES = 200  # in one statement
ADDED = "retclip_added"  # the execution option of a writing transaction's connection: its `AddedRows`
EVENTS = Event.__table__
# The tables of facts, by the column of `chain_link` with the numbers of their rows, in the order of the digest. A table
# of facts more: its column there, empty in all links before, and its rows noted where they are inserted.
FACTS: Mapping[str, Table] = {
    "segment_facts": SegmentFact.__table__,
    "class_facts": ClassFact.__table__,
    "rejection_facts": RejectionFact.__table__,
}


@dataclass
class AddedRows:
    """The rows of a chain that a transaction has added so far.

    events: their numbers.
    facts: their numbers by column of `chain_link` and event.
    """

    events: set[int] = field(default_factory=set)
    facts: dict[str, dict[int, list[int]]] = field(default_factory=lambda: {column: {} for column in FACTS})

    def touched(self) -> list[int]:
        """List the events that rows were added to, ascending."""
        return sorted(self.events.union(*self.facts.values()))


def added_rows(connection: Connection) -> AddedRows:
    """Find what a writing transaction notes for its links; whoever adds an event or a fact notes it there."""
    rows: AddedRows = connection.get_execution_options()[ADDED]
    return rows


def add_linked(connection: Connection, column: str, event: int, facts: Sequence[Mapping[str, Any]]) -> None:
    """Insert facts of an event, and note them for the transaction's links.

    column: of `chain_link`, for the facts' table.
    facts: the other columns of each, the same in all.
    """
    table = FACTS[column]
    if facts:
        rows = [{"event_id": event, **fact} for fact in facts]
        numbers = connection.execute(insert(table).returning(table.c.id), rows).scalars()
        added_rows(connection).facts[column].setdefault(event, []).extend(numbers)


def append_links(connection: Connection, added: AddedRows) -> None:
    """Append a link for each event that the transaction has added rows to. The caller holds the writers' lock."""
    number, previous = newest_link(connection)
    links = list[dict[str, Any]]()
    for event in added.touched():
        numbers = {column: sorted(ids.get(event, ())) for column, ids in added.facts.items()}
        rows = list(read_rows(connection, EVENTS, [event]).values() if event in added.events else ())
        for column, table in FACTS.items():
            rows += read_rows(connection, table, numbers[column]).values()
        number += 1
        link = {
            "number": number, "event_id": event, "adds_event": event in added.events,
            **{column: ranges_text(ids) for column, ids in numbers.items()},
            "digest": rows_digest(rows), "previous": previous,
        }  # fmt: skip
        previous = link_hash(link)
        links.append({**link, "hash": previous})
    connection.execute(insert(ChainLink), links)


def newest_link(connection: Connection) -> tuple[int, str]:
    """Read the number and the hash of the newest link; (0, "") without any."""
    newest = select(ChainLink.number, ChainLink.hash).order_by(ChainLink.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return (int(row[0]), str(row[1])) if row else (0, "")


def link_hash(link: Mapping[str, Any]) -> str:
    """Compute the sha256 of a link, in hexadecimal.

    link: its columns; `hash` and `seal` are not covered.
    """
    names = sorted(("adds_event", "digest", "event_id", "number", "previous", *FACTS))
    return hashlib.sha256(row_bytes("chain_link", names, [link[name] for name in names])).hexdigest()


def read_rows(connection: Connection, table: Table, numbers: Sequence[int]) -> dict[int, bytes]:
    """Read the canonical bytes of rows, ascending by number; unknown numbers are left out."""
    names, columns = _covered(table)
    rows = dict[int, bytes]()
    for ranges in pages(ranges_of(numbers), RANGES):
        inside = or_(*(table.c.id.between(first, last) for first, last in ranges))
        query = select(table.c.id, *columns).where(inside).order_by(table.c.id)
        rows |= {row[0]: row_bytes(table.name, names, row[1:]) for row in connection.execute(query)}
    return rows


@cache
def _covered(table: Table) -> tuple[list[str], list[Column[Any]]]:
    columns = sealed_columns(table, numbered_later=False)
    return [column.name for column in columns], columns


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Put ascending numbers together into ranges: (first, last) of each."""
    ranges = list[tuple[int, int]]()
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ranges


def ranges_text(numbers: Iterable[int]) -> str:
    """Spell ascending numbers as ranges: "1-350,360"."""
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges_of(numbers))


def numbers_of(text: str) -> list[int]:
    """Read what `ranges_text` spelled. Raises ValueError."""
    numbers = list[int]()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
