"""The files in a store's folder, and the catalog that belongs to it.

STORE/retclip.toml        settings (retclip.config reads it)
STORE/identity            a UUID that the catalog holds too: a folder and a database of two stores never meet
STORE/catalog.sqlite      SQL, unless `database` names a server
STORE/archive/            float16 shards, named by content; made last, so its presence says that the store is whole
STORE/index/              the embedded vector index, one folder per feature space and version, and NAME.rows, which an
                          index in memory maps; can be deleted
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid4

from sqlalchemy import URL, Connection, Engine, func, select

from retclip.errors import StoreDamaged, StoreError, StoreMissing
from retclip.own_files import sync_path, write_durably
from retclip.store.crash_points import reach
from retclip.store.sql import schema
from retclip.store.sql.engine import insert_or_keep, open_engine, read, transaction
from retclip.store.sql.tables import Shard, StoreIdentity

ELSEWHERE = (
    "set store.database (RETCLIP_STORE__DATABASE) to the database that this store was made with; or restore its "
    "catalog from a backup"
)
ARCHIVE, IDENTITY, CATALOG = "archive", "identity", "catalog.sqlite"


def make_store(folder: Path, database: str, exist_ok: bool = False) -> Engine:
    """Make folder, tables and identity of an empty store. Each step may be repeated after a stop.

    database: an SQLAlchemy URL, "" for SQLite in the folder.
    exist_ok: open a store that is there already.
    Raises StoreError for a store that is there already, an impossible place, a catalog in use, and StoreDamaged if one
    of a store's two halves is lost: nothing empty takes its place.
    """
    if (folder / ARCHIVE).exists():
        if not exist_ok:
            raise StoreError(f"no store at {folder}", "a store that is there already", "choose another folder")
        return find_store(folder, database)  # another process was faster
    _require_no_other(folder, database)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own_uuid = _own_identity(folder)
    except (OSError, ValueError) as error:
        raise StoreError(f"a folder that can be made at {folder}", str(error), "choose another place") from error
    engine = open_engine(database or sqlite_url(folder))
    schema.upgrade(engine)
    with transaction(engine, write=True) as connection:
        connection.execute(insert_or_keep(connection, StoreIdentity).values(id=1, uuid=own_uuid))
        catalog_uuid = connection.execute(select(StoreIdentity.uuid)).scalar_one()
    if catalog_uuid != own_uuid:
        todo = "set store.database to an empty database, or unset it: each store has a catalog of its own"
        raise StoreError(f"an empty database for {folder}", f"the catalog of another store ({catalog_uuid})", todo)
    _require_no_shards(folder, engine)
    (folder / ARCHIVE).mkdir(exist_ok=True)
    return engine


def find_store(folder: Path, database: str, check: bool = True) -> Engine:
    """Open the catalog of the store in a folder.

    database: an SQLAlchemy URL, "" for SQLite in the folder.
    check: False to repair the schema.
    Raises StoreMissing without a store, StoreDamaged if half of it is lost, StoreBehind, StoreError.
    """
    has_catalog = bool(database) or (folder / CATALOG).is_file()  # SQLite would make an empty one
    if not (folder / ARCHIVE).is_dir():
        if has_catalog and (folder / IDENTITY).is_file():
            _require_no_shards(folder, open_engine(database or sqlite_url(folder)))
        todo = f"make one: retclip init {folder}, or retclip build SOURCE --store {folder}"
        raise StoreMissing(f"a store at {folder}", "no such store", todo)
    if not has_catalog:
        raise StoreDamaged(f"the catalog {folder / CATALOG}", "no such file", ELSEWHERE)
    engine = open_engine(database or sqlite_url(folder))
    if read(engine, schema.current_revision) is None:  # a store gets its tables before its archive
        got = "no tables of RetCLIP in the database that store.database names" if database else "a file without tables"
        raise StoreDamaged(f"the catalog of the store {folder}", got, ELSEWHERE)
    if check:
        schema.require_head(engine)
        check_identity(folder, engine)
    return engine


def is_store(folder: Path) -> bool:
    """Tell whether a store lies in a folder, whole or not."""
    return (folder / ARCHIVE).is_dir() and (folder / IDENTITY).is_file()


def sqlite_url(folder: Path) -> URL:
    """Make the URL of a folder's catalog. It is no string: a folder's name may hold a question mark."""
    return URL.create("sqlite", database=str(folder / CATALOG))


def _require_no_other(folder: Path, database: str) -> None:
    """Raise StoreError if another program's file has the catalog's name. It is not opened for writing."""
    path = folder / CATALOG
    if database or not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as catalog:
            tables = {name for (name,) in catalog.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        got = "" if not tables or "alembic_version" in tables else "another program's database"
    except (sqlite3.Error, UnicodeDecodeError) as error:
        got = str(error)
    if got:
        todo = "choose another folder; nothing was written"
        raise StoreError(f"no file {path} yet, or a catalog", got, todo)


def _require_no_shards(folder: Path, engine: Engine) -> None:
    """Raise StoreDamaged if the folder's catalog has rows of an archive that does not exist."""

    def shards(connection: Connection) -> int:
        if schema.current_revision(connection) is None:
            return 0
        own_uuid = _identity(folder)
        catalog_uuid = connection.execute(select(StoreIdentity.uuid)).scalar()
        return (
            connection.execute(select(func.count()).select_from(Shard)).scalar_one()
            if str(catalog_uuid) == own_uuid
            else 0
        )

    if count := read(engine, shards):
        todo = "restore the folder from a backup, or build the sources into another store"
        raise StoreDamaged(f"the archive {folder / ARCHIVE}, {count} files", "no such folder", todo)


def _identity(folder: Path) -> str:
    return (folder / IDENTITY).read_text(encoding="ascii").strip()


def _own_identity(folder: Path) -> UUID:
    """Read the folder's UUID, or write a new one."""
    path, fresh = folder / IDENTITY, uuid4()
    if not path.exists():
        draft = folder / f".{IDENTITY}.{fresh.hex}"
        write_durably(draft, str(fresh).encode(), reach)
        with suppress(FileExistsError):  # another process was faster
            path.hardlink_to(draft)
        draft.unlink()
        sync_path(folder)
    return UUID(_identity(folder))


def check_identity(folder: Path, engine: Engine) -> None:
    """Raise StoreError unless the catalog is this folder's."""
    with transaction(engine) as connection:
        catalog_uuid = connection.execute(select(StoreIdentity.uuid)).scalar()
    try:
        own_uuid = UUID(_identity(folder))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the identity of the store in {folder / IDENTITY}", str(error), f"write {catalog_uuid}"
        ) from error
    if own_uuid != catalog_uuid:
        todo = "set store.database (RETCLIP_STORE__DATABASE) to this store's own, or unset it"
        raise StoreError(f"the catalog of store {own_uuid} for {folder}", f"that of store {catalog_uuid}", todo)
