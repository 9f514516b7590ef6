"""`retclip class rename | alias | merge | remove | history`: what is changed with a class as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.catalog import edit, open_catalog, person
from retclip.cli.classes import app as class_app

__all__ = ["class_app"]

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore
    from retclip.store.records import Edit

Name = Annotated[str, typer.Argument(help="The class.")]


@class_app.command("rename")
def rename(
    old: Name,
    new: Annotated[str, typer.Argument(help="Its new name; the old one stays as an alias.")],
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Give a class another name. No vector is written."""
    _edit(store, config, json, f"{old} is now {new}", lambda opened: opened.classes.rename(old, new, person()))


@class_app.command("alias")
def alias(
    name: Name,
    alias: Annotated[str, typer.Argument(help="One more name that means it.")],
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Give a class one more name."""
    _edit(store, config, json, f"{alias} means {name}", lambda opened: opened.classes.add_alias(name, alias, person()))


@class_app.command("merge")
def merge(
    name: Annotated[str, typer.Argument(help="The class that goes.")],
    into: Annotated[str, typer.Argument(help="The class that gets its segments.")],
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Make two classes one."""
    _edit(store, config, json, f"{name} became {into}", lambda opened: opened.classes.merge(name, into, person()))


@class_app.command("remove")
def remove(
    name: Name,
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Take a class out of the store; it may be added again."""
    _edit(store, config, json, f"{name} is removed", lambda opened: opened.classes.remove(name, person()))


@class_app.command("history")
def history(
    name: Annotated[str | None, typer.Argument(help="A class (default: every change of any).")] = None,
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """What was added, renamed, merged, removed and undone, and by whom."""
    with open_catalog(store, config) as opened:
        found = opened.classes.history(name)
    if json:
        output.data([{**one, "at": f"{one['at']:%Y-%m-%dT%H:%M:%S}"} for one in found])
        return
    undone = {one["target"]: one["id"] for one in found if one["action"] == "undo"}
    rows = [
        (one["id"], f"{one['at']:%Y-%m-%d %H:%M}", one["actor"], one["action"], one["target"], _result(one),
         one["after"].get("segments"), undone.get(str(one["id"])))
        for one in found
    ]  # fmt: skip
    output.table(f"changes in {store}", ("event", "when", "who", "what", "of", "now", "segments", "undone by"), rows)


def _result(event: Mapping[str, Any]) -> str | None:
    """What a class is called now, or what it was merged into; of a fill where its photos came from."""
    after = event["after"]
    return after.get("alias") or after.get("dataset") or (after.get("name") if event["action"] != "undo" else None)


def _edit(store: Path, config: Path | None, json: bool, told: str, change: Callable[[FeatureStore], Edit]) -> None:
    done = edit(store, config, json, change)
    output.message(f"{told}; {done.segments} segments changed. To go back: retclip undo {done.event} --store {store}")
