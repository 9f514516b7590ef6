"""`retclip store search | show`: stored segments by words, by a photo, by another segment, or by filters alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.fitted_table import fitted_table
from retclip.cli.store import app
from retclip.errors import ConfigError

if TYPE_CHECKING:
    from retclip.report.segment_table import SegmentTable

__all__ = ["app"]

FIGURES = ("distance", "trust")  # shown first where a segment has them
KEYS = ("class", "label_source", "dataset", "photo", "id")
OTHERS = ("state", "score", "run", "box", "segment")
SHORT_ID = 8
Space = Annotated[
    str | None, typer.Option(metavar="BACKBONE", help="Whose vectors, where the store holds several (or a space's id).")
]


@dataclass(frozen=True)
class Asked:
    """What is looked for; nothing for a list in the order of storing."""

    text: Annotated[str | None, typer.Option(help="Nearest to these words: needs a backbone with a text tower.")] = None
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Nearest to a photo, or to a part of it.")] = None
    box: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="A part of the photo.")] = None
    point: Annotated[str | None, typer.Option(metavar="X,Y", help="The proposer's smallest mask there.")] = None
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="A part as a PNG, set where it is not 0.")] = None
    segment: Annotated[str | None, typer.Option(metavar="ID", help="Nearest to a stored segment.")] = None
    space: Space = None


@app.command("search")
@options.spread
def search(
    at: options.Catalog,
    asked: Asked,
    filters: options.Filters,
    limit: Annotated[int, typer.Option(help="Segments of a page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="The page after this one: `next` of the JSON.")] = None,
    sheet: options.Sheet = None,
    wide: options.Wide = False,
    preset: options.Preset = None,
    proposer: options.Proposer = None,
    settings: options.Set = None,
) -> None:
    """Find stored segments: nearest to words, to a photo or a part of it, or to another segment; or all that pass the
    filters. Page by page, with what each is called and where it comes from."""
    chosen, box, point = filters.filter(), _numbers("--box", asked.box, 4), _numbers("--point", asked.point, 2)
    options.checked_sheet(sheet)
    flags = options.Models(proposer=proposer, preset=preset, settings=settings).flags()
    with options.opened(at.store, at.config, flags) as memory:
        table = memory.search(
            asked.text, asked.image, asked.segment, box=box, point=point, mask=asked.mask,  # type: ignore[arg-type]
            filter=chosen, limit=limit, cursor=cursor, space=asked.space,
        )  # fmt: skip
        options.write_sheet(table, sheet)
    for note in table.notes:
        output.message(f"note: {note}")
    if at.json:
        output.data(table.as_dict())
        return
    print_segments(table, wide)
    if table.next:
        output.message(f"more: --cursor {table.next}")


@app.command("show")
@options.spread
def show(
    segment: Annotated[str, typer.Argument(metavar="SEGMENT", help="Its id, or the first 8 digits or more of it.")],
    at: options.Catalog,
    neighbours: Annotated[int, typer.Option(min=0, help="How many of the nearest segments are shown.")] = 8,
    space: Space = None,
    sheet: options.Sheet = None,
    wide: options.Wide = False,
    settings: options.Set = None,
) -> None:
    """Tell everything that is known of a stored segment: where it comes from, what was said of it and by whom, and what
    lies nearest."""
    options.checked_sheet(sheet)
    with options.opened(at.store, at.config, options.Models(settings=settings).flags()) as memory:
        report = memory.show(segment, neighbours, space)
        if sheet is not None:
            output.message(f"wrote {report.save(sheet)}")
    if at.json:
        output.data(report.as_dict())
        return
    for name, value in report.lines():
        output.line(f"{name}: {value}")
    columns = ("event", "when", "who", "what", "of", "says", "undone by")
    rows = [
        (fact.event, f"{fact.at:%Y-%m-%d %H:%M}", fact.actor, fact.action, fact.target, fact.said(), fact.undone_by)
        for fact in report.details.facts
    ]
    output.table("what was said of it", columns, rows)
    if report.neighbours:
        print_segments(report.neighbours, wide)


def print_segments(table: SegmentTable, wide: bool = False) -> None:
    """Print a table of segments on stdout. wide: every column."""
    from retclip.report.segment_crops import photo_name

    rows = []
    for segment in table:
        plain = segment.as_dict()
        figures = {"distance": segment.distance, "trust": segment.trust, "score": segment.score}
        shown = {name: None if value is None else f"{value:.4f}" for name, value in figures.items()}
        names = {"photo": photo_name(segment), "id": str(segment.id)[:SHORT_ID]}
        rows.append({**plain, **shown, **names, "box": ",".join(map(str, segment.box))})
    first = [name for name in FIGURES if any(getattr(segment, name) is not None for segment in table)]
    others = [name for name in FIGURES if name not in first]
    fitted_table(table.title, (*first, *KEYS), (*OTHERS, *others), rows, wide)


def _numbers(flag: str, text: str | None, count: int) -> tuple[int, ...] | None:
    """Return whole numbers of a comma list, None of None. Raises ConfigError."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != count or not all(part.isdecimal() for part in parts):
        example = ",".join(("120", "80", "64", "48")[:count])
        raise ConfigError(f"{flag} with {count} whole numbers in pixels", repr(text), f"write e.g. {flag} {example}")
    return tuple(map(int, parts))
