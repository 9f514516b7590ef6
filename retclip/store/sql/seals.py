"""Filling and checking the checksums of rows (`row_checksum`): before a transaction ends, and in `doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Index, Select, Table, Update, bindparam, exists, select, update

from retclip.errors import StoreDamaged
from retclip.store.sql import tables  # noqa: F401  (its import fills the registry)
from retclip.store.sql.columns import Base
from retclip.store.sql.refusals import refusals
from retclip.store.sql.row_checksum import Sealed, row_checksum, sealed_columns

PAGE = 5000  # rows that are read or sealed at once


@dataclass(frozen=True)
class SealedTable:
    """A table, the columns that its checksum covers, and those that name a row."""

    table: Table
    covered: tuple[Column[Any], ...]
    key: tuple[Column[Any], ...]

    @property
    def empty(self) -> Any:
        """Make the condition of rows without a checksum."""
        return self.table.c.seal.is_(None)

    def read(self) -> Select[Any]:
        """Select the covered columns, the key, the checksum."""
        return select(*self.covered, *self.key, self.table.c.seal)

    def fill(self) -> Update:
        """Make the statement that sets the checksum `new` in the row of the key `key_0`, `key_1`, ..."""
        names = (column == bindparam(f"key_{n}") for n, column in enumerate(self.key))
        return update(self.table).where(*names).values(seal=bindparam("new"))

    def checksum(self, row: Any) -> int:
        """Compute the checksum of a row that `read` selects."""
        return row_checksum(self.covered, row[: len(self.covered)])

    def name(self, row: Any) -> tuple[Any, ...]:
        """Take the key from a row that `read` selects."""
        return tuple(row[len(self.covered) : -1])


def _sealed_tables() -> list[SealedTable]:
    models = [mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Sealed)]
    return [
        SealedTable(
            model.__table__,
            tuple(sealed_columns(model.__table__, model.NUMBERED_LATER)),
            tuple(model.__table__.primary_key.columns),
        )
        for model in sorted(models, key=lambda model: str(model.__table__.name))
    ]


SEALED = _sealed_tables()
for _sealed in SEALED:  # finds the rows that a transaction has left empty, at no cost if there are none
    _name, _empty = f"ix_{_sealed.table.name}_unsealed", _sealed.empty
    Index(_name, _sealed.table.c.seal, sqlite_where=_empty, postgresql_where=_empty)


def seal_rows(connection: Connection) -> None:
    """Give every row that this transaction changed its checksum. Uncommitted rows of others are not visible."""
    have_empty = connection.execute(_which_have_empty()).one()
    for sealed, any_empty in zip(SEALED, have_empty, strict=True):
        while any_empty and (rows := connection.execute(sealed.read().where(sealed.empty).limit(PAGE)).all()):
            keys = [{f"key_{n}": value for n, value in enumerate(sealed.name(row))} for row in rows]
            values = [{**key, "new": sealed.checksum(row)} for key, row in zip(keys, rows, strict=True)]
            connection.execute(sealed.fill(), values)


def broken_rows(connection: Connection) -> Mapping[str, list[tuple[Any, ...]]]:
    """List the keys of all rows that do not match their checksum, by table; the error stands in the place of unreadable
    rows. Reads every row, in the order of the table itself: an index may be damaged, too. Raises StoreError."""
    return {sealed.table.name: broken for sealed in SEALED if (broken := list(_broken(connection, sealed)))}


def _broken(connection: Connection, sealed: SealedTable) -> Iterator[tuple[Any, ...]]:
    try:
        with refusals():
            for row in connection.execute(sealed.read().execution_options(yield_per=PAGE)):
                if sealed.checksum(row) != row[-1]:
                    yield sealed.name(row)
    except StoreDamaged as error:
        if connection.dialect.name != "sqlite":  # its transaction is over
            raise
        yield (error.got,)


@cache
def _which_have_empty() -> Select[Any]:
    """Make one query that tells of each table whether it has rows without a checksum."""
    columns: list[Any] = [exists().where(sealed.empty).select_from(sealed.table) for sealed in SEALED]
    return select(*columns)
