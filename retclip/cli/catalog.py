"""A store's catalog without any component, and `retclip undo`."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore
    from retclip.store.records import Edit


def open_catalog(store: Path, config: Path | None, check_schema: bool = True) -> FeatureStore:
    """The store as its settings open it, to be closed (or used as a context manager); no plugin is loaded."""
    from retclip.config import find_file, load
    from retclip.opening import store_options
    from retclip.store.feature_store import FeatureStore

    return FeatureStore.open(store, store_options(load(find_file(store, config))), check_schema)


def person() -> str:
    """Who types, for the events: the name of the account."""
    from retclip.store.records import ACTOR_WIDTH

    try:
        return getpass.getuser()[:ACTOR_WIDTH]
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"


def edit(store: Path, config: Path | None, json: bool, change: Callable[[FeatureStore], Edit]) -> Edit:
    """Change a store's classes; as JSON the number of the event and of the segments that changed."""
    with open_catalog(store, config) as opened:
        done = change(opened)
    if json:
        output.data({"event": done.event, "segments": done.segments})
    return done


def undo(
    event: Annotated[int, typer.Argument(help="Its number, as `retclip class history` shows it.")],
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Take a change of the classes back: what was added or fetched goes, what was removed or renamed comes back."""
    done = edit(store, config, json, lambda opened: opened.undo(event, person()))
    output.message(f"event {event} is undone; {done.segments} segments changed")
