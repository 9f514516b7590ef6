"""`retclip relabel | quarantine | release | retire`: what people say of single segments, by ids, lists or filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from retclip.cli import options, output
from retclip.errors import ConfigError
from retclip.quantities import quantity

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.store.records import Edit

UNASKED = 100  # segments that are changed without --yes
Segments = Annotated[
    list[str] | None, typer.Argument(metavar="SEGMENT...", help="Ids of segments, or their first 8 digits or more.")
]


@dataclass(frozen=True)
class How:
    """How segments are named, and whether they are changed at once."""

    file: Annotated[Path | None, typer.Option("--from", metavar="FILE.csv", help="A list with a column `segment`.")] = (
        None
    )
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for `retclip log`.")] = ""
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which segments would change.")] = False
    yes: Annotated[bool, typer.Option("--yes", help="Needed for a filter, and for more than 100 segments.")] = False
    sheet: options.Sheet = None


@options.spread
def relabel(
    at: options.Catalog,
    how: How,
    filters: options.Filters,
    segments: Annotated[
        list[str] | None, typer.Argument(metavar="SEGMENT... [CLASS]", help="Ids; the class last, without --to.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="CLASS", help="The class of all of them.")] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="Take the list's column `suggested`.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Make the class where the store does not have it.")] = False,
) -> None:
    """Give stored segments another class; it outlives every rebuild."""
    ids, name = list(segments or ()), to
    if to is None and ids and not suggested:
        name = ids.pop()
    if suggested and (how.file is None or name is not None):
        raise ConfigError("--suggested with a list (--from) and no class", "otherwise", "leave --suggested or --to out")
    if name is None and how.file is None:
        raise ConfigError("the class of the segments", "none", "write retclip relabel SEGMENT CLASS, or --to CLASS")
    from retclip.corrections import labelled, read_list, require_classes

    with options.catalog(at) as memory:
        if how.file is not None and name is None:
            _one_way(ids, filters, how)
            listed = read_list(how.file, "suggested" if suggested else "class")
            labels = listed.labels(memory.store, str(how.file))
        else:
            labels = labelled(memory.store, _meant(memory, ids, filters, how), name)
        if not new:
            require_classes(memory.store, labels.values())
        if _confirmed(memory, list(labels), how, filters, at, labels):
            edit = memory.relabel(labels, why=how.why, new=new)
            _tell("relabelled", edit, at)
            if how.file is not None and name is None and not suggested and not edit.event and listed.suggests:
                output.message(f"{how.file} suggests other classes: take them with --suggested")


@options.spread
def quarantine(at: options.Catalog, how: How, filters: options.Filters, segments: Segments = None) -> None:
    """Keep stored segments out of every answer, whatever runs find, until they are released."""
    _change(at, how, filters, segments, "quarantined", lambda memory, ids: memory.quarantine(ids, how.why))


@options.spread
def release(at: options.Catalog, how: How, filters: options.Filters, segments: Segments = None) -> None:
    """Let quarantined segments answer again. A filter without --state means the quarantined ones."""
    if filters.given and filters.states is None:
        filters = replace(filters, states=["quarantined"])
    _change(at, how, filters, segments, "released", lambda memory, ids: memory.release(ids, how.why))


@options.spread
def retire(at: options.Catalog, how: How, filters: options.Filters, segments: Segments = None) -> None:
    """Take stored segments out: no run brings them back, only `retclip undo` does."""
    _change(at, how, filters, segments, "retired", lambda memory, ids: memory.retire(ids, how.why))


def _change(
    at: options.Catalog, how: How, filters: options.Filters, segments: Sequence[str] | None, done: str,
    change: Callable[[RetCLIP, list[UUID]], Edit],
) -> None:  # fmt: skip
    with options.catalog(at) as memory:
        ids = _meant(memory, list(segments or ()), filters, how)
        if _confirmed(memory, ids, how, filters, at):
            _tell(done, change(memory, ids), at)


def _meant(memory: RetCLIP, ids: Sequence[str], filters: options.Filters, how: How) -> list[UUID]:
    """List the segments that were named in one of the three ways. Raises ConfigError for none or several, DataError."""
    from retclip.corrections import ids_of, read_list

    _one_way(ids, filters, how)
    if how.file is not None:
        return list(dict.fromkeys(ids_of(memory.store, read_list(how.file).segments)))
    return list(dict.fromkeys(ids_of(memory.store, filters.filter() if filters.given else ids)))


def _one_way(ids: Sequence[str], filters: options.Filters, how: How) -> None:
    ways = [way for way, used in (("ids", ids), ("--from", how.file), ("a filter", filters.given)) if used]
    if len(ways) != 1:
        todo = "name segments in one way"
        raise ConfigError("ids of segments, a list (--from) or a filter", " and ".join(ways) or "none of them", todo)


def _confirmed(
    memory: RetCLIP, ids: Sequence[UUID], how: How, filters: options.Filters, at: options.Catalog,
    labels: Mapping[UUID, str] | None = None,
) -> bool:  # fmt: skip
    """Tell what would be changed, where that is asked for or must be; return whether to go on.

    labels: of a relabelling, the class that each segment would get.
    Raises ConfigError where --yes is missing.
    """
    options.checked_sheet(how.sheet)
    needs_yes = filters.given or len(ids) > UNASKED
    if how.sheet is not None:
        from retclip.store.records import SegmentFilter

        chosen = SegmentFilter(ids=tuple(ids), states=())
        options.write_sheet(memory.search(filter=chosen, limit=len(ids)), how.sheet)
    if not how.dry_run and (how.yes or not needs_yes):
        return True
    _show_classes(memory, ids, labels, at)
    if how.dry_run:
        output.message(f"dry run: {quantity(len(ids), 'segment')} meant, nothing was changed")
        return False
    todo = "look at the classes above (--sheet FILE.html shows the segments), then repeat with --yes"
    raise ConfigError(
        "--yes for a filter, or for more than 100 segments", f"{quantity(len(ids), 'segment')} without it", todo
    )


def _show_classes(memory: RetCLIP, ids: Sequence[UUID], labels: Mapping[UUID, str] | None, at: options.Catalog) -> None:
    """Show what the segments are called now, and what a relabelling would call them."""
    from retclip.corrections import class_changes, class_counts

    counts = class_counts(memory.store, ids)
    changes = None if labels is None else class_changes(memory.store, labels)
    if at.json:
        becomes = {} if changes is None else {"becomes": [[*pair, count] for pair, count in changes.items()]}
        output.data({"dry_run": True, "segments": len(ids), "classes": counts, **becomes})
    elif changes is None:
        output.table(quantity(len(ids), "segment"), ("class", "segments"), list(counts.items()))
    else:
        rows = [(*pair, count) for pair, count in changes.items()]
        output.table(quantity(len(ids), "segment"), ("class", "becomes", "segments"), rows)


def _tell(done: str, edit: Edit, at: options.Catalog) -> None:
    if at.json:
        output.data({"event": edit.event or None, "segments": edit.segments, "unchanged": edit.unchanged})
    same = f"; {edit.unchanged} were so already" if edit.unchanged else ""
    if not edit.event:
        output.message(f"nothing changed{same}")
        return
    output.message(
        f"{quantity(edit.segments, 'segment')} {done}{same}. To go back: retclip undo {edit.event} --store {at.store}"
    )
