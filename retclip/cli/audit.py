"""`retclip audit mislabels | duplicates | outliers | conflicts | coverage`: what to look at in a store, ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine
from retclip.quantities import quantity

if TYPE_CHECKING:
    from retclip.audits import Audit
    from retclip.engine import RetCLIP
    from retclip.report.segment_table import SegmentTable
    from retclip.store.records import ListedPhoto
    from retclip.workflows.audit.duplicates import AlikePhotos, Duplicates
    from retclip.workflows.audit.mislabels import Ranking, Suspect

app = typer.Typer(help="What to look at in a store: likely wrong labels, copies, and more.", no_args_is_help=True)

Limit = Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")]
Space = Annotated[
    str | None, typer.Option("--space", metavar="NAME", help="A backbone, or a space's id, where there are several.")
]


@dataclass(frozen=True)
class Shown:
    """How long a list of segments is, in whose vectors, and where it is written."""

    limit: Limit = 100
    space: Space = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write the list, as `retclip relabel --from` and others take it."),
    ] = None
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page: crops, why, the commands to copy.")
    ] = None


class RankBy(StrEnum):
    """What ranks labels that are likely wrong."""

    DOUBT = "doubt"
    TRUST = "trust"


COLUMNS = ("segment", "class", "suggested", "trust", "why", "photo")


@app.command("mislabels")
@options.spread
def mislabels(
    at: options.Catalog,
    filters: options.Filters,
    shown: Shown,
    by: Annotated[
        RankBy | None,
        typer.Option(help="What ranks; else doubt where classes have 5 segments and the store at most 20,000."),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Photos that show nearly the same do not speak for each other.")
    ] = False,
) -> None:
    """Labels that are likely wrong, the likeliest first: those that are doubted by all that is known of the segment,
    or, by trust, those of which another class is nearer. The trust in every label is computed where it is not up to
    date. With --frames, a wrong label that is repeated over the frames of a film is found, too: all photos are read,
    and that trust is not kept."""
    with _opened(at, shown) as memory:
        with ProgressLine() as line:
            groups = memory.audit.frames(on_progress=line) if frames else None
            ranking: Ranking | None = None if by is None else by.value
            suspects = memory.audit.suspects(filters.filter(), shown.limit, shown.space, groups, line, ranking)
        if groups is not None:
            output.message(groups.said())
        table = memory.audit.table([suspect.segment for suspect in suspects], f"likely wrong labels of {at.store}")
        _write(memory.audit, table, suspects, shown)
        _show(table, at.json)


@app.command("outliers")
@options.spread
def outliers(at: options.Catalog, filters: options.Filters, shown: Shown) -> None:
    """Segments that are far from everything of their class, the farthest first."""
    _print_list(at, shown, lambda audit, line: audit.outliers(filters.filter(), shown.limit, shown.space, line))


@app.command("conflicts")
@options.spread
def conflicts(
    at: options.Catalog,
    filters: options.Filters,
    shown: Shown,
    alike: Annotated[float, typer.Option(help="Cosine distance within which data sets should agree.")] = 0.1,
) -> None:
    """Labels that contradict each other: one mask with two labels; data sets that disagree about what looks alike."""
    _print_list(at, shown, lambda audit, _: audit.conflicts(filters.filter(), shown.limit, shown.space, alike))


@app.command("duplicates")
@options.spread
def duplicates(
    at: options.Catalog,
    filters: options.Filters,
    shown: Shown,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="SOURCE", help="Which photos of an evaluation source are in the store."),
    ] = None,
    bits: Annotated[int, typer.Option(help="Of 128, in which the hashes of photos may differ.")] = 24,
    within: Annotated[float, typer.Option(help="Cosine distance of near-identical segments.")] = 0.005,
) -> None:
    """Photos that look alike, and near-identical segments of different photos. With --against: leakage, the evaluation
    photos that are in the store. The list that --out writes holds the later stored copies."""
    with _opened(at, shown) as memory:
        source = None if against is None else memory.source(against)
        with ProgressLine() as line:
            copies = memory.audit.duplicates(filters.filter(), shown.limit, shown.space, source, bits, within, line)
        table = memory.audit.table(copies.segments, f"near-identical segments of {at.store}")
        _write(memory.audit, table, None, shown)
        if at.json:
            output.data(_duplicates_data(copies))
            return
        rows = [(_photo(pair.second), _photo(pair.first), pair.bits, _how(pair)) for pair in copies.photos]
        output.table("photos that look alike", ("photo", "like the stored", "bits", ""), rows)
        if copies.leaked is None:
            _show(table, False)
        _say_compared(copies)


@app.command("coverage")
@options.spread
def coverage(
    at: options.Catalog,
    filters: options.Filters,
    limit: Limit = 100,
    space: Space = None,
    few: Annotated[int, typer.Option(min=1, help="Photos below which a class is told.")] = 5,
) -> None:
    """Classes that little stands behind: few photos, one data set, one run; a text that is farther from their segments
    than another class's; no vote in any answer that `segment --trace` kept."""
    with options.catalog(at) as memory:
        classes = memory.audit.coverage(filters.filter(), limit, few, space)
    for note in classes.notes:
        output.message(f"note: {note}")
    if at.json:
        output.data([thin.as_dict() for thin in classes])
        return
    rows = [
        (thin.coverage.name, thin.coverage.segments, thin.coverage.images, "; ".join(thin.reasons)) for thin in classes
    ]
    output.table(f"thin classes of {at.store}", ("class", "segments", "photos", "why"), rows)


def _print_list(at: options.Catalog, shown: Shown, listed: Callable[[Audit, ProgressLine], SegmentTable]) -> None:
    """Print a list of segments, and write it where that is asked for."""
    with _opened(at, shown) as memory:
        with ProgressLine() as line:
            table = listed(memory.audit, line)
        _write(memory.audit, table, None, shown)
        _show(table, at.json)


@contextmanager
def _opened(at: options.Catalog, shown: Shown) -> Iterator[RetCLIP]:
    """Open the store once it is clear that the files can be written. Raises DataError, ConfigError."""
    _check(shown.out, shown.html)
    with options.catalog(at) as memory:
        yield memory


def _check(out: Path | None, html: Path | None) -> None:
    """Refuse names that cannot be written before the work. Raises DataError, ConfigError."""
    from retclip.errors import DataError
    from retclip.report.segment_table import check_sheet

    for path, flag, ending in ((out, "--out", ".csv"), (html, "--html", ".html")):
        if path is None:
            continue
        if path.suffix.lower() != ending:
            raise DataError(
                f"a file name that ends in {ending}", repr(str(path)), f"write e.g. {flag} suspects{ending}"
            )
        check_sheet(path, flag)


def _write(audit: Audit, table: SegmentTable, suspects: Sequence[Suspect] | None, shown: Shown) -> None:
    """Write the list and the page that are wanted. suspects: with their neighbours, None of a list without."""
    count = quantity(len(table), "segment")
    if shown.out is not None:
        suggested = all(segment.suggested for segment in table)
        todo = f"relabel --from {shown.out} --suggested" if suggested else f"quarantine --from {shown.out}"
        output.message(f"wrote {table.save(shown.out)}: {count}; after a look: `retclip {todo}`")
    if shown.html is not None:
        from retclip.workflows.audit.mislabels import Suspect

        rows = [Suspect(segment, ()) for segment in table] if suspects is None else suspects
        output.message(f"wrote {audit.page(rows, shown.html, table.title)}: {count}")


def _show(table: SegmentTable, json: bool) -> None:
    if json:
        output.data(table.as_dict())
        return
    rows = [
        (str(segment.id)[:8], segment.class_name, segment.suggested,
         "" if segment.trust is None else f"{segment.trust:.2f}", segment.note, f"{segment.image} of {segment.dataset}")
        for segment in table
    ]  # fmt: skip
    output.table(table.title, COLUMNS, rows)


def _photo(photo: ListedPhoto) -> str:
    return f"{photo.external_id} of {photo.dataset}"


def _how(pair: AlikePhotos) -> str:
    if pair.same_file:
        return "the same file"
    return "mirrored" if pair.mirrored else ""


def _duplicates_data(copies: Duplicates) -> dict[str, Any]:
    leaked = None if copies.leaked is None else [photo.as_dict() for photo in copies.leaked]
    return {
        "photos": [pair.as_dict() for pair in copies.photos],
        "segments": [segment.as_dict() for segment in copies.segments],
        "compared": copies.compared, "gone": copies.gone, "evaluation_photos": copies.other,
        "unusable": copies.unusable, "leaked": leaked,
    }  # fmt: skip


def _say_compared(copies: Duplicates) -> None:
    missing = f"; {copies.gone} were not where they had been, and were not compared" if copies.gone else ""
    output.message(f"{copies.compared} photos of the store were compared{missing}")
    if copies.leaked is not None:
        unusable = f", {copies.unusable} could not be read" if copies.unusable else ""
        same = sum(pair.same_file for pair in copies.photos)
        how = f"{same} are the same file, {len(copies.leaked) - same} look like a stored one{unusable}"
        output.message(f"{len(copies.leaked)} of your {copies.other} evaluation photos are in the store: {how}")
