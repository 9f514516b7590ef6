"""Column types and conventions shared by all tables and both engines (SQLite, PostgreSQL)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, LargeBinary, MetaData, String, Uuid
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from retclip.errors import ConfigError, StoreDamaged
from retclip.store.findings import RESTORE
from retclip.store.states import Word

NAMES = {  # Alembic finds a constraint by its name, and SQLite's batch rebuild drops unnamed ones (stores.md 3)
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=NAMES)


class Decoded:
    """A column whose value is read from bytes or text: an unreadable value is damage, not a fault of ours."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Make the function that turns the database's value into Python's."""
        decode = super().result_processor(dialect, coltype)  # type: ignore[misc]

        def checked(value: Any) -> Any:
            try:
                return decode(value) if decode else value
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                got = f"{type(error).__name__}: {error}"
                raise StoreDamaged("a catalog whose values can be read", got, RESTORE) from error

        return checked


class BinaryUuid(Decoded, TypeDecorator[UUID]):
    """A UUID as 16 bytes on SQLite (half of its text form) and natively on PostgreSQL."""

    impl = Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the column in that database."""
        return dialect.type_descriptor(LargeBinary(16) if dialect.name == "sqlite" else Uuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """Return the UUID as the database takes it."""
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """Return the UUID of what the database holds."""
        return UUID(bytes=value) if value is not None and dialect.name == "sqlite" else value


class OneOf(Decoded, TypeDecorator[Word]):
    """A word of a list, as text."""

    impl = String
    cache_ok = True

    def __init__(self, words: type[Word], width: int = 16) -> None:
        super().__init__(width)
        self.words, self.width = words, width

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the word as text. Raises ConfigError for one that is not of the list."""
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> Word | None:  # noqa: ARG002
        """Return the word that the database holds. Raises ValueError for one that is not of the list."""
        try:
            return None if value is None else self.words(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error


class Moment(Decoded, TypeDecorator[datetime]):
    """A moment in UTC. SQLite drops the zone, PostgreSQL answers in the session's: both come back in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment with its zone, UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigKey = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only on INTEGER keys


class Json(Decoded, TypeDecorator[Any]):
    """JSON, as text on SQLite and as JSONB on PostgreSQL."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the column in that database."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON())
        from sqlalchemy.dialects.postgresql import JSONB  # with its drivers, which an embedded catalog has no use for

        return dialect.type_descriptor(JSONB())

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Return the type of a value that an expression compares with the column."""
        return self.impl_instance.coerce_compared_value(op, value)


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)
