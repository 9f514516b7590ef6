"""`retclip db upgrade | current | check`: the catalog's schema. Nothing else ever migrates."""

from __future__ import annotations

import typer

from retclip.cli import options, output
from retclip.cli.catalog import open_catalog
from retclip.errors import StoreBehind

app = typer.Typer(help="The schema of a store's catalog.", no_args_is_help=True)


@app.command()
def current(
    store: options.Store = options.DEFAULT_STORE, config: options.Config = None, json: options.Json = False
) -> None:
    """Print the schema revision of the store, and the one this program speaks."""
    with open_catalog(store, config, check_schema=False) as opened:
        found = {"store": opened.maintenance.schema_revision(), "program": opened.maintenance.newest_schema()}
    if json:
        output.data(found)
    else:
        output.table("schema", ("where", "revision"), found.items())


@app.command()
def check(
    store: options.Store = options.DEFAULT_STORE, config: options.Config = None, json: options.Json = False
) -> None:
    """Compare the database with the schema; exit code 5 where they differ."""
    with open_catalog(store, config, check_schema=False) as opened:
        found = opened.maintenance.schema_differences()
    if json:
        output.data({"differences": found})
    if found:
        raise StoreBehind("the schema of this program", "; ".join(found), "restore a backup, or report it")
    output.message("the schema is as it should be")


@app.command()
def upgrade(store: options.Store = options.DEFAULT_STORE, config: options.Config = None) -> None:
    """Run the missing migrations in one transaction. Make a backup first."""
    with open_catalog(store, config, check_schema=False) as opened:
        opened.maintenance.upgrade_schema()
        newest = opened.maintenance.newest_schema()
    output.message(f"the schema of {store} is at revision {newest}")
