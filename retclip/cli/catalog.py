"""A store's catalog without any component, and `retclip undo`."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore


@contextmanager
def opened_catalog(store: Path, config: Path | None) -> Iterator[FeatureStore]:
    """The store as its settings open it, closed at the end of the block; no plugin is loaded."""
    from retclip.config import find_file, load
    from retclip.opening import store_options
    from retclip.store.feature_store import FeatureStore

    with FeatureStore.open(store, store_options(load(find_file(store, config)))) as opened:
        yield opened


def person() -> str:
    """Who types, for the events: the name of the account."""
    try:
        return getpass.getuser()[:120]
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"


def undo(
    event: Annotated[int, typer.Argument(help="Its number, as `retclip class history` shows it.")],
    store: options.Store = options.DEFAULT_STORE,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Take a change of the classes back: what was added goes, what was removed, renamed or merged comes back."""
    from retclip.store.undo import undo as take_back

    with opened_catalog(store, config) as opened:
        done = opened.edit(lambda connection: take_back(connection, event, person()))
    if json:
        output.data({"event": done.event, "segments": done.segments})
    output.message(f"event {event} is undone; {done.segments} segments changed")
