"""The state of a store's names as a value that is cheap to read, for whoever caches a prepared vocabulary.

Another process may add a class, an alias or a decision, or remove a class's last segment, while this one has the store
open. The checksums of the rows (`row_checksum`) show it without reading their contents.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from retclip.store.records import VocabularyState
from retclip.store.sql.tables import Category, CategoryAlias, ClassMatchRow, Outbox

NAMING = (Category, CategoryAlias, ClassMatchRow)


def vocabulary_state(connection: Connection) -> VocabularyState:
    """Read the state. Two that are equal mean the same classes with segments, names, synonyms and decisions."""
    counted = (select(func.count(), func.sum(table.seal)).select_from(table) for table in NAMING)
    names = tuple((rows, int(total or 0)) for rows, total in (connection.execute(query).one() for query in counted))
    return VocabularyState(names, connection.execute(select(func.coalesce(func.max(Outbox.id), 0))).scalar_one())
