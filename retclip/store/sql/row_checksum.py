"""The checksum of a row: CRC-32 over the values of its columns, the same on both databases.

A page of a database may be damaged where the database itself sees nothing: a class in a segment's row, a coordinate, a
name. So every row that decides something carries a checksum, `seal`. An INSERT computes it from its plain values, an
UPDATE empties it, and `seals.seal_rows` fills empty ones before the transaction ends: no writer has to think of it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, Table, null
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

SEAL = "seal"
PLAIN = ((Boolean, bool), (Float, float), (Integer, int))  # NumPy's numbers among them are spelt as Python's


class Sealed:
    """A table whose rows carry a checksum."""

    __table__: ClassVar[Any]
    # True for rows in bulk: their own number, given by the database, is left out.
    NUMBERED_LATER: ClassVar[bool] = False

    @declared_attr
    @classmethod
    def seal(cls) -> Mapped[int | None]:
        """Make the column, empty only inside a transaction. It is the last: its default sees the values of all
        others."""
        model: Any = cls
        return mapped_column(BigInteger, default=lambda row: _of_insert(model, row), onupdate=null(), sort_order=99)


def sealed_columns(table: Table, numbered_later: bool) -> list[Column[Any]]:
    """List the columns that a table's checksum covers, by name: their order in the code does not matter.

    numbered_later: leave the table's own number out, see `Sealed`.
    """
    own = {table.autoincrement_column} if numbered_later else set()
    return sorted(
        (column for column in table.columns if column.name != SEAL and column not in own),
        key=lambda column: column.name,
    )


def row_checksum(columns: Sequence[Column[Any]], values: Sequence[Any]) -> int:
    """Compute the CRC-32 of a row, [0, 2^32).

    values: a Python object per column, in that order.
    """
    return _checksum(columns[0].table.name.encode(), values)


def _checksum(table: bytes, values: Sequence[Any]) -> int:
    parts = [spelled(value) for value in values]
    lengths = [-1 if value is None else len(part) for value, part in zip(values, parts, strict=True)]
    return zlib.crc32(b"".join(parts), zlib.crc32(repr(lengths).encode(), zlib.crc32(table)))


def _of_insert(model: type[Sealed], context: Any) -> int | None:
    """Compute the checksum of a row that is being inserted; None if its number is covered and not known yet."""
    parameters = context.get_current_parameters()
    table, columns = _plan(model.__table__, model.NUMBERED_LATER)
    values: list[Any] = []
    for name, required, plain in columns:
        value = parameters.get(name)
        if value is None:
            if required and name not in parameters:
                return None
            values.append(None)
        else:
            values.append(plain(value) if plain else value)
    return _checksum(table, values)


@cache  # asked once for each row that is stored
def _plan(table: Table, numbered_later: bool) -> tuple[bytes, list[tuple[str, bool, Callable[[Any], Any] | None]]]:
    """Find the table's name, and of each covered column its name, whether it is required, and what makes values
    plain."""
    return table.name.encode(), [
        (column.name, column.primary_key or not column.nullable, _plain(column))
        for column in sealed_columns(table, numbered_later)
    ]


def _plain(column: Column[Any]) -> Callable[[Any], Any] | None:
    return next((plain for kind, plain in PLAIN if isinstance(column.type, kind)), None)


def spelled(value: Any) -> bytes:
    """Spell a value in bytes, alike for what a statement brings and what either database gives back for it."""
    return (SPELLINGS.get(type(value)) or _spelling(value))(value)


def _spelling(value: Any) -> Callable[[Any], bytes]:
    """Find how to spell a value of a subclass of the kinds below, or JSON."""
    return next((spelling for kind, spelling in SPELLINGS.items() if isinstance(value, kind)), _json_bytes)


def _number(value: float) -> bytes:
    return repr(value).encode()


def _json_bytes(value: Any) -> bytes:
    return json.dumps(_json(value), sort_keys=True).encode()


# A value in bytes, alike for what a statement brings and what either database gives back for it. Looked up by kind: a
# store spells millions of values.
SPELLINGS: Mapping[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"",
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    int: _number,
    bool: _number,
    float: _number,
    bytes: bytes,
    memoryview: bytes,
    UUID: lambda value: value.bytes,
    datetime: lambda value: value.astimezone(UTC).isoformat(timespec="microseconds").encode(),
}


def _json(value: Any) -> Any:
    """Bring JSON to the form in which PostgreSQL's JSONB returns it: 1e+22 comes as a whole number."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
