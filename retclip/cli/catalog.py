"""`retclip undo`, and what the commands share that change a store's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output

if TYPE_CHECKING:
    from retclip.store.records import Edit


@options.spread
def undo(
    event: Annotated[int, typer.Argument(help="Its number, as `retclip class history` shows it.")],
    at: options.Catalog,
) -> None:
    """Take a change of the classes back: what was added or fetched goes, what was removed or renamed comes back."""
    with options.catalog(at) as memory:
        done = memory.undo(event)
    print_edit(done, at.json)
    output.message(f"event {event} is undone; {done.segments} segments changed")


def print_edit(done: Edit, json: bool) -> None:
    """As JSON the number of the event and of the segments that changed."""
    if json:
        output.data({"event": done.event, "segments": done.segments})
