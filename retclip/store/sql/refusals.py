"""What a database refuses, as errors of ours with a cure that fits: who is in the way, what is full, what is hurt.

SQLite tells by words, PostgreSQL by codes: the words beside them are in the server's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from retclip.errors import RetCLIPError, StoreBusy, StoreDamaged, StoreError, StoreUnreachable
from retclip.store.findings import RESTORE

REACH = "check that the database server runs and can be reached, then run the command again: what was stored stays"


class ConnectionLost(StoreUnreachable):
    """The connection broke inside a transaction, before its COMMIT: nothing of it was stored, it may be repeated."""


@dataclass(frozen=True)
class Refusal:
    """words: of SQLite, codes: of PostgreSQL, any of which tells it."""

    kind: Callable[[str, str, str], StoreError]
    words: Sequence[str]
    codes: Sequence[str]
    expected: str
    todo: str

    def tells(self, error: DBAPIError) -> bool:
        """Whether the error is of this kind."""
        code, said = getattr(error.orig, "sqlstate", None), str(error.orig)
        return str(code).startswith(tuple(self.codes)) if code else any(word in said for word in self.words)


REFUSALS = (
    # Lock timeout, deadlock, and a row that another process inserted at the same moment.
    Refusal(
        StoreBusy, ("database is locked", "table is locked"), ("55P03", "40P01", "23505"),
        "the catalog to be free for writing", "wait for the other process, then repeat",
    ),
    Refusal(
        StoreDamaged, ("malformed", "not a database", "Could not decode"), ("XX001", "XX002"),
        "a catalog that can be read", RESTORE,
    ),
    Refusal(
        StoreError, ("database or disk is full",), ("53100",),
        "room for the catalog's change", "make room on its disk, then repeat: nothing of this change was stored",
    ),
    Refusal(
        StoreError, ("readonly database",), ("25006",),
        "a store that can be written", "check its permissions; of a server, name the one that may be written",
    ),
    Refusal(
        StoreError, ("unable to open database file",), ("42501",),
        "a catalog that this account may open", "check the permissions of the file and its folder, or of the account",
    ),
    Refusal(
        StoreError, ("disk I/O error",), ("58",),
        "a disk that can be read and written", "check the disk or the mounted share that holds the catalog",
    ),
    Refusal(
        StoreError, (), ("57014",),
        "an answer within two minutes", "repeat when the database server has less to do",
    ),
)  # fmt: skip


@contextmanager
def refusals() -> Iterator[None]:
    """What the database refuses inside the block, as StoreBusy, StoreDamaged, StoreUnreachable or StoreError."""
    try:
        yield
    except DBAPIError as error:  # other errors of SQLAlchemy are mistakes of ours
        raise as_store_error(error) from error
    except StatementError as error:
        if isinstance(error.orig, RetCLIPError):  # a column's own, of a word that it does not take
            raise error.orig from error
        raise
    except UnicodeDecodeError as error:  # SQLite quotes what is hurt, and its driver cannot read the quotation
        raise StoreDamaged("a catalog that can be read", f"no text: {error}", RESTORE) from error


def as_store_error(error: DBAPIError) -> StoreError:
    """The error of ours that says it."""
    said = str(error.orig).strip()
    if error.connection_invalidated:
        return ConnectionLost("the database to stay reachable", said, REACH)
    for refusal in REFUSALS:
        if refusal.tells(error):
            return refusal.kind(refusal.expected, said, refusal.todo)
    expected = "to answer" if isinstance(error, OperationalError) else "to accept the change"
    return StoreError(f"the catalog {expected}", said, "nothing of this change was stored; see what the database says")
