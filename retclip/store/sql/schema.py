"""The schema's revision: read it, compare it, bring it up to date. Never migrates without being asked.

Alembic is loaded only to migrate and to compare: a command that meets the right revision needs none of it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, text

from retclip.errors import StoreBehind
from retclip.store.sql.columns import Base
from retclip.store.sql.engine import transaction
from retclip.store.sql.refusals import refusals
from retclip.store.sql.seals import seal_rows
from retclip.store.sql.tables import SCHEMA_HEAD

if TYPE_CHECKING:
    from alembic.config import Config

EARLIER = {f"{number:04}" for number in range(1, 10)}  # revisions of the layout before facts; nothing was released


def current_revision(connection: Connection) -> str | None:
    """Read the revision in the database; None if it holds no RetCLIP tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def require_head(engine: Engine) -> None:
    """Raise StoreBehind unless the database has the schema of this program."""
    with transaction(engine) as connection:
        revision = current_revision(connection)
    _refuse_earlier(revision)
    if revision != SCHEMA_HEAD:
        got = f"revision {revision}" if revision else "a database without RetCLIP's tables"
        todo = "run `retclip db upgrade --store DIR` (after a backup), or use the program version that wrote it"
        if revision and revision > SCHEMA_HEAD:  # revisions are numbered in their order, all alike wide
            got, todo = f"{got}, of a newer program", "install a newer retclip: the program version that wrote it"
        raise StoreBehind(f"schema revision {SCHEMA_HEAD}", got, todo)


def _refuse_earlier(revision: str | None) -> None:
    """Raise StoreBehind for a store of a layout that no migration starts from."""
    if revision in EARLIER:
        got = f"revision {revision}: the store was made by an earlier layout, which kept no history as facts"
        todo = "build its sources again into a new store, or use the program version that wrote it"
        raise StoreBehind(f"schema revision {SCHEMA_HEAD}", got, todo)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run all missing migrations in one transaction, checksums of the changed rows included. Raises StoreBehind,
    StoreError."""
    from alembic import command

    _run(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Take migrations back down to `revision` ("base" for none)."""
    from alembic import command

    _run(engine, lambda config: command.downgrade(config, revision))


def differences(engine: Engine) -> list[str]:
    """Compare the database with `store.sql.tables`; an empty list if they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def newest_revision() -> str | None:
    """Find the newest migration in the package."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def _folder() -> str:
    """Find the migrations: a folder of their own in the repository, a sub-package in a wheel."""
    spec = importlib.util.find_spec("retclip.migrations")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise StoreBehind("the migrations beside the program", "none", "install retclip again")
    return str(Path(places[0]))


def alembic_config() -> Config:
    """Make Alembic's configuration for the migrations that ship with the package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _folder())
    return config


@contextmanager
def _foreign_revision() -> Iterator[None]:
    """Turn a revision that this program's migrations do not know into StoreBehind."""
    from alembic.util.exc import CommandError

    try:
        yield
    except CommandError as error:
        todo = "use the program version that wrote this store, or a newer one"
        raise StoreBehind(f"a schema revision up to {SCHEMA_HEAD}", str(error), todo) from error


def _run(engine: Engine, action: Callable[[Config], None]) -> None:
    config = alembic_config()
    with refusals(), _foreign_revision(), engine.connect().execution_options(retclip_write=True) as connection:
        _refuse_earlier(current_revision(connection))
        connection.rollback()
        with _foreign_keys_off(connection):
            config.attributes["connection"] = connection
            connection.begin()
            action(config)
            if current_revision(connection) == SCHEMA_HEAD:
                seal_rows(connection)
            connection.commit()


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Run the block with SQLite's foreign keys off. The pragma does nothing inside a transaction, so it stands around
    it, and goes to the driver, which does not begin one."""
    driver: Any = connection.connection.dbapi_connection if connection.dialect.name == "sqlite" else None
    if driver is not None:
        driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        if driver is not None:
            connection.rollback()
            driver.execute("PRAGMA foreign_keys=ON")
