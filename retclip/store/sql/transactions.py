"""The catalog for the parts of a store: each question and each change is a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from retclip.store.crash_points import reach
from retclip.store.sql.engine import read, write

Params = ParamSpec("Params")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Transactions:
    """Asks and changes the catalog; no connection leaves it.

    engine: the catalog's.
    changed: called after each `edit`, so that the indexes follow.
    """

    engine: Engine
    changed: Callable[[], None]

    def read(
        self, question: Callable[Concatenate[Connection, Params], Answer], *args: Params.args, **options: Params.kwargs
    ) -> Answer:
        """Ask the catalog. Raises StoreUnreachable, StoreError."""
        return read(self.engine, lambda connection: question(connection, *args, **options))

    def write(
        self, change: Callable[Concatenate[Connection, Params], Answer], *args: Params.args, **options: Params.kwargs
    ) -> Answer:
        """Change the catalog alone, again while other writers are in the way. Raises whatever the change raises, and
        StoreBusy, StoreUnreachable, StoreError."""
        return write(self.engine, lambda connection: change(connection, *args, **options))

    def note(
        self, change: Callable[Concatenate[Connection, Params], Answer], *args: Params.args, **options: Params.kwargs
    ) -> Answer:
        """As `write`, of what a power loss may take: SQLite does not wait for the disk. A kill takes nothing."""
        return write(self.engine, lambda connection: change(connection, *args, **options), durable=False)

    def edit(
        self, change: Callable[Concatenate[Connection, Params], Answer], *args: Params.args, **options: Params.kwargs
    ) -> Answer:
        """Change the catalog, and let the indexes follow. A failing index is a warning, and follows later: SQL holds
        the truth. Raises as `write`."""
        done = self.write(change, *args, **options)
        reach("edit committed")
        self.changed()
        return done
