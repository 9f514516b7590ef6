"""The archive's files held against SQL: which are damaged or gone, which nobody refers to."""

from __future__ import annotations

from sqlalchemy import Connection, select

from retclip.store.archive import Archive
from retclip.store.work_tables import Shard


def damaged_shards(connection: Connection, archive: Archive) -> list[str]:
    """Names of the shards in SQL whose file is missing or is not what its name says. Reads every byte."""
    return [name for name in connection.execute(select(Shard.sha256)).scalars() if not archive.verify(name)]


def unreferenced_shards(connection: Connection, archive: Archive) -> list[str]:
    """Files that no row names: what a build left when it was killed between its shard and its transaction."""
    return sorted(archive.names() - set(connection.execute(select(Shard.sha256)).scalars()))
