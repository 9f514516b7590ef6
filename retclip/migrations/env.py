"""Alembic's entry: runs the migrations on the connection that `retclip.store.sql.schema` hands over.

On SQLite a batch migration rebuilds a table by dropping the old one. With foreign keys on, that drop deletes every
child row through ON DELETE CASCADE without a word (seen: 2 of 2 children lost), so `schema` turns them off for
migrations; they are checked here, before the transaction is committed.
"""

from __future__ import annotations

from alembic import context

from retclip.store.sql import seals  # noqa: F401  (its import fills the metadata)
from retclip.store.sql.columns import Base


def run() -> None:
    connection = context.config.attributes["connection"]
    sqlite = connection.dialect.name == "sqlite"
    context.configure(connection, target_metadata=Base.metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() if sqlite else []
        if broken:
            raise RuntimeError(f"the migration would leave {len(broken)} rows without their parent: {broken[:3]}")


run()
