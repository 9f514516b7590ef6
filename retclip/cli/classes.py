"""`retclip class add` and `retclip class list`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from retclip.cli import options, output
from retclip.cli.build import finish, run_with_progress
from retclip.cli.catalog import open_catalog
from retclip.errors import DataError
from retclip.names import name_key

app = typer.Typer(help="The classes of a store.", no_args_is_help=True)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The class, as you will ask for it.")],
    sources: Annotated[list[str], typer.Argument(help="Annotated sources (reader:path?split=NAME) or photos.")],
    store: options.Store = options.DEFAULT_STORE,
    thing: Annotated[
        bool | None, typer.Option("--thing/--stuff", help="Countable, or not (default: nobody says).")
    ] = None,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Add one class from images: no training, and the next `segment` knows it. Touches no other class.

    Plain photos need a proposer that finds masks by name; `--proposer reference.whole_image` takes each photo whole.
    """
    started = time.monotonic()
    given = options.flags(settings, preset, backbone, proposer, building=True)
    with options.opened(store, config, given) as retclip:
        for one in sources:  # a misspelt one must be told before the first is worked on
            if not len(retclip.source(one)):
                raise DataError("at least one photo", f"none in {one}", "name photos, folders, globs or sources")
        reports = [
            run_with_progress(f"add {name}", lambda step, one=one: retclip.add_class(name, [one], thing, step)[0])
            for one in sources
        ]
        total = next((one.segments for one in retclip.classes() if name_key(one.name) == name_key(name)), None)
    held = f"; the store now holds {total}" if total is not None else ""
    output.message(
        f"{name}: {sum(one.segments for one in reports)} segments{held} ({time.monotonic() - started:.1f} s)"
    )
    finish(reports, store, json)


@app.command("list")
def list_classes(
    store: options.Store = options.DEFAULT_STORE, config: options.Config = None, json: options.Json = False
) -> None:
    """The store's classes with how many segments and images stand behind each."""
    with open_catalog(store, config) as opened:
        found = opened.classes()
    if json:
        output.data([vars(one) for one in found])
        return
    kinds = {True: "thing", False: "stuff", None: ""}
    columns = ("class", "kind", "segments", "images", "aliases")
    rows = [(one.name, kinds[one.is_thing], one.segments, one.images, ", ".join(one.aliases)) for one in found]
    output.table(f"classes of {store}", columns, rows)
