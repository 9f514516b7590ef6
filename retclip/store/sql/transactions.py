"""The catalog as the parts of a store ask and change it: each question and each change is a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from retclip.store.sql.engine import read, write

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Transactions:
    """Whoever holds this may ask and change; no connection leaves it.

    engine: the catalog's.
    changed: called after each `edit`, so that the indexes follow.
    """

    engine: Engine
    changed: Callable[[], None]

    def read(
        self, question: Callable[Concatenate[Connection, Given], Answer], *args: Given.args, **options: Given.kwargs
    ) -> Answer:
        """Ask the catalog. Raises StoreUnreachable, StoreError."""
        return read(self.engine, lambda connection: question(connection, *args, **options))

    def write(
        self, change: Callable[Concatenate[Connection, Given], Answer], *args: Given.args, **options: Given.kwargs
    ) -> Answer:
        """Change the catalog alone, again where other writers were in the way. Raises what the change raises,
        StoreBusy, StoreUnreachable, StoreError."""
        return write(self.engine, lambda connection: change(connection, *args, **options))

    def edit(
        self, change: Callable[Concatenate[Connection, Given], Answer], *args: Given.args, **options: Given.kwargs
    ) -> Answer:
        """As `write`, and let the indexes follow. One that cannot is warned of and follows later: what is true stands
        in SQL, and done is done."""
        done = self.write(change, *args, **options)
        self.changed()
        return done
