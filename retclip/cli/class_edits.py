"""`retclip class rename | alias | merge | remove | history`: what is changed with a class as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.catalog import print_edit
from retclip.cli.classes import app as class_app
from retclip.quantities import quantity

__all__ = ["class_app"]

if TYPE_CHECKING:
    from retclip.store.records import Edit

Name = Annotated[str, typer.Argument(help="The class.")]


@class_app.command("rename")
@options.spread
def rename(
    old: Name, new: Annotated[str, typer.Argument(help="Its new name; the old one stays as an alias.")],
    at: options.Catalog,
) -> None:  # fmt: skip
    """Give a class another name. No vector is written."""
    with options.catalog(at) as memory:
        done = memory.classes.rename(old, new)
    _tell(f"{old} is now {new}", done, at)


@class_app.command("alias")
@options.spread
def alias(
    name: Name, alias: Annotated[str, typer.Argument(help="One more name that means it.")], at: options.Catalog
) -> None:
    """Give a class one more name."""
    with options.catalog(at) as memory:
        done = memory.classes.alias(name, alias)
    _tell(f"{alias} means {name}", done, at)


@class_app.command("merge")
@options.spread
def merge(
    name: Annotated[str, typer.Argument(help="The class that goes.")],
    into: Annotated[str, typer.Argument(help="The class that gets its segments.")],
    at: options.Catalog,
) -> None:
    """Make two classes one."""
    with options.catalog(at) as memory:
        done = memory.classes.merge(name, into)
    _tell(f"{name} became {into}", done, at)


@class_app.command("remove")
@options.spread
def remove(name: Name, at: options.Catalog) -> None:
    """Take a class out of the store; it may be added again."""
    with options.catalog(at) as memory:
        done = memory.classes.remove(name)
    _tell(f"{name} is removed", done, at)


@class_app.command("history")
@options.spread
def history(
    at: options.Catalog,
    name: Annotated[str | None, typer.Argument(help="A class (default: every change of any).")] = None,
) -> None:
    """What was added, renamed, merged, removed and undone, and by whom."""
    with options.catalog(at) as memory:
        events = memory.classes.history(name)
    if at.json:
        output.data([event.as_dict() for event in events])
        return
    from retclip.store.records import EVENT_COLUMNS

    output.table(f"changes in {at.store}", EVENT_COLUMNS, [event.cells() for event in events])


def _tell(message: str, done: Edit, at: options.Catalog) -> None:
    print_edit(done, at.json)
    changed = f"{quantity(done.segments, 'segment')} changed"
    output.message(f"{message}; {changed}. To go back: retclip undo {done.event} --store {at.store}")
