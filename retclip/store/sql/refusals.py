"""Refusals of a database as errors of ours, each with its cure: a lock, a full disk, damage.

SQLite reports them by words, PostgreSQL by codes: its words are in the server's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from retclip.errors import DataError, RetCLIPError, StoreBusy, StoreDamaged, StoreError, StoreUnreachable
from retclip.store.findings import RESTORE

TOO_LARGE = "too large to convert to SQLite INTEGER"  # its driver says so, before SQLite sees the number
OUT_OF_RANGE = "22003"  # PostgreSQL's code for such a number
REACH = "check that the database server runs and can be reached, then run the command again: what was stored stays"


class ConnectionLost(StoreUnreachable):
    """The connection broke inside a transaction, before its COMMIT: nothing of it was stored, it may be repeated."""


@dataclass(frozen=True)
class Refusal:
    """A kind of refusal.

    words: any of them in SQLite's message shows it.
    codes: any of them in front of PostgreSQL's code shows it.
    """

    kind: Callable[[str, str, str], StoreError]
    words: Sequence[str]
    codes: Sequence[str]
    expected: str
    todo: str

    def tells(self, error: DBAPIError) -> bool:
        """Tell whether an error is of this kind."""
        code, text = getattr(error.orig, "sqlstate", None), str(error.orig)
        return str(code).startswith(tuple(self.codes)) if code else any(word in text for word in self.words)


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
        "a disk that can be read and written",
        "make room on the disk that holds the catalog, if it is full; else check it, or the share that is mounted",
    ),
    Refusal(
        StoreError, (), ("57014",),
        "an answer within two minutes", "repeat when the database server has less to do",
    ),
)  # fmt: skip


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the database's refusals inside the block into StoreBusy, StoreDamaged, StoreUnreachable or StoreError, and
    that of a number beyond 64 bits into DataError."""
    try:
        yield
    except DBAPIError as error:  # other errors of SQLAlchemy are mistakes of ours
        if getattr(error.orig, "sqlstate", None) == OUT_OF_RANGE:
            raise _too_large() from error
        raise as_store_error(error) from error
    except StatementError as error:
        if isinstance(error.orig, RetCLIPError):  # a column's own, of a word that it does not take
            raise error.orig from error
        raise
    except OverflowError as error:
        if TOO_LARGE not in str(error):  # another one, of a damaged number say
            raise
        raise _too_large() from error
    except UnicodeDecodeError as error:  # SQLite quotes what is hurt, and its driver cannot read the quotation
        raise StoreDamaged("a catalog that can be read", f"no text: {error}", RESTORE) from error


def _too_large() -> DataError:
    todo = "check the numbers of events and runs, and the limit, that were asked for"
    return DataError("numbers of at most 64 bits", "a larger one", todo)


def as_store_error(error: DBAPIError) -> StoreError:
    """Make the error of ours for a refusal of the database."""
    text = str(error.orig).strip()
    if error.connection_invalidated:
        return ConnectionLost("the database to stay reachable", text, REACH)
    for refusal in REFUSALS:
        if refusal.tells(error):
            return refusal.kind(refusal.expected, text, refusal.todo)
    expected = "to answer" if isinstance(error, OperationalError) else "to accept the change"
    return StoreError(f"the catalog {expected}", text, "nothing of this change was stored; see what the database says")
