"""`retclip db upgrade | current | check`: the catalog's schema. Nothing else ever migrates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from retclip.cli import options, output
from retclip.errors import StoreBehind

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore

app = typer.Typer(help="The schema of a store's catalog.", no_args_is_help=True)


@app.command()
@options.spread
def current(at: options.Catalog) -> None:
    """Print the schema revision of the store, and the one this program speaks."""
    with _opened(at.store, at.config) as opened:
        revisions = {"store": opened.maintenance.schema_revision(), "program": opened.maintenance.newest_schema()}
    if at.json:
        output.data(revisions)
    else:
        output.table("schema", ("where", "revision"), revisions.items())


@app.command()
@options.spread
def check(at: options.Catalog) -> None:
    """Compare the database with the schema; exit code 5 where they differ."""
    with _opened(at.store, at.config) as opened:
        differences = opened.maintenance.schema_differences()
    if at.json:
        output.data({"differences": differences})
    if differences:
        raise StoreBehind("the schema of this program", "; ".join(differences), "restore a backup, or report it")
    output.message("the schema is as it should be")


@app.command()
def upgrade(store: options.Store = options.DEFAULT_STORE, config: options.Config = None) -> None:
    """Run the missing migrations in one transaction. Make a backup first."""
    with _opened(store, config) as opened:
        opened.maintenance.upgrade_schema()
        newest = opened.maintenance.newest_schema()
    output.message(f"the schema of {store} is at revision {newest}")


def _opened(store: Path, config: Path | None) -> FeatureStore:
    """Return the store, whatever its schema is; no plugin is looked for."""
    from retclip.session import Components, store_options
    from retclip.store.feature_store import FeatureStore

    return FeatureStore.open(store, store_options(Components.configured(store, config).settings), check_schema=False)
