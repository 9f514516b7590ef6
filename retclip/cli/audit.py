"""`retclip audit mislabels | duplicates | outliers | conflicts | coverage`: what to look at in a store, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine

if TYPE_CHECKING:
    from retclip.audits import Audit
    from retclip.report.segment_table import SegmentTable
    from retclip.workflows.audit.duplicates import Duplicates
    from retclip.workflows.audit.mislabels import Suspect

app = typer.Typer(help="What to look at in a store: likely wrong labels, copies, and more.", no_args_is_help=True)

Limit = Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")]
Space = Annotated[
    str | None, typer.Option("--space", metavar="NAME", help="A backbone, or a space's id, where there are several.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.csv", help="Write the list, as `retclip relabel --from` and others take it."),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE.html", help="Write a page: crops, why, the commands to copy.")
]
COLUMNS = ("segment", "class", "suggested", "trust", "why", "photo")


@app.command("mislabels")
@options.spread
def mislabels(
    at: options.Catalog, filters: options.Filters, limit: Limit = 100, space: Space = None, out: Out = None,
    html: Html = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Photos that show nearly the same do not speak for each other.")
    ] = False,
) -> None:  # fmt: skip
    """Labels that are likely wrong, the least trusted first: another class is nearer to the segment than its own. The
    trust in every label is computed where it is not up to date. With --frames, a wrong label that is repeated over the
    frames of a film is found, too: all photos are read, and that trust is not kept."""
    _check(out, html)
    with options.catalog(at) as memory:
        with ProgressLine() as line:
            groups = memory.audit.frames(on_progress=line) if frames else None
            found = memory.audit.suspects(filters.filter(), limit, space, groups, line)
        if groups is not None:
            output.message(groups.said())
        table = memory.audit.table([one.segment for one in found], f"likely wrong labels of {at.store}")
        _write(memory.audit, table, found, out, html)
        _show(table, at.json)


@app.command("outliers")
@options.spread
def outliers(
    at: options.Catalog, filters: options.Filters, limit: Limit = 100, space: Space = None, out: Out = None,
    html: Html = None,
) -> None:  # fmt: skip
    """Segments that are far from everything of their class, the farthest first."""
    _check(out, html)
    with options.catalog(at) as memory:
        with ProgressLine() as line:
            table = memory.audit.outliers(filters.filter(), limit, space, line)
        _write(memory.audit, table, None, out, html)
        _show(table, at.json)


@app.command("conflicts")
@options.spread
def conflicts(
    at: options.Catalog, filters: options.Filters, limit: Limit = 100, space: Space = None, out: Out = None,
    html: Html = None,
    alike: Annotated[float, typer.Option(help="Cosine distance within which data sets should agree.")] = 0.1,
) -> None:  # fmt: skip
    """Labels that contradict each other: one mask with two labels; data sets that disagree about what looks alike."""
    _check(out, html)
    with options.catalog(at) as memory:
        table = memory.audit.conflicts(filters.filter(), limit, space, alike)
        _write(memory.audit, table, None, out, html)
        _show(table, at.json)


@app.command("duplicates")
@options.spread
def duplicates(
    at: options.Catalog, filters: options.Filters, limit: Limit = 100, space: Space = None, out: Out = None,
    html: Html = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="SOURCE", help="Which photos of an evaluation source are in the store."),
    ] = None,
    bits: Annotated[int, typer.Option(help="Of 128, in which the hashes of photos may differ.")] = 24,
    within: Annotated[float, typer.Option(help="Cosine distance of near-identical segments.")] = 0.005,
) -> None:  # fmt: skip
    """Photos that look alike, and near-identical segments of different photos. With --against: leakage, the evaluation
    photos that are in the store. The list that --out writes holds the later stored copies."""
    _check(out, html)
    with options.catalog(at) as memory:
        source = None if against is None else memory.source(against)
        with ProgressLine() as line:
            found = memory.audit.duplicates(filters.filter(), limit, space, source, bits, within, line)
        table = memory.audit.table(found.segments, f"near-identical segments of {at.store}")
        _write(memory.audit, table, None, out, html)
        if at.json:
            output.data(_duplicates_data(found))
            return
        rows = [(_named(pair.second), _named(pair.first), pair.bits, _how(pair)) for pair in found.photos]
        output.table("photos that look alike", ("photo", "like the stored", "bits", ""), rows)
        if found.leaked is None:
            _show(table, False)
        _tell_duplicates(found)


@app.command("coverage")
@options.spread
def coverage(
    at: options.Catalog, filters: options.Filters, limit: Limit = 100,
    few: Annotated[int, typer.Option(min=1, help="Photos below which a class is told.")] = 5,
) -> None:  # fmt: skip
    """Classes that little stands behind: few photos, one data set, one run; no vote in any answer that `segment
    --trace` kept."""
    with options.catalog(at) as memory:
        found = memory.audit.coverage(filters.filter(), limit, few)
    if at.json:
        output.data([one.as_dict() for one in found])
        return
    rows = [(one.coverage.name, one.coverage.segments, one.coverage.images, "; ".join(one.reasons)) for one in found]
    output.table(f"thin classes of {at.store}", ("class", "segments", "photos", "why"), rows)


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


def _write(
    audit: Audit, table: SegmentTable, suspects: Sequence[Suspect] | None, out: Path | None, html: Path | None
) -> None:
    if out is not None:
        suggested = all(segment.suggested for segment in table)
        todo = f"retclip relabel --from {out} --suggested" if suggested else f"retclip quarantine --from {out}"
        output.message(f"wrote {table.save(out)}: {len(table)} segments; after a look: `{todo}`")
    if html is not None:
        from retclip.workflows.audit.mislabels import Suspect

        rows = [Suspect(one, ()) for one in table] if suspects is None else suspects
        output.message(f"wrote {audit.page(rows, html, table.title)}: {len(table)} segments")


def _show(table: SegmentTable, json: bool) -> None:
    if json:
        output.data(table.as_dict())
        return
    rows = [
        (str(one.id)[:8], one.class_name, one.suggested, "" if one.trust is None else f"{one.trust:.2f}", one.note,
         f"{one.image} of {one.dataset}")
        for one in table
    ]  # fmt: skip
    output.table(table.title, COLUMNS, rows)


def _named(photo: Any) -> str:
    return f"{photo.external_id} of {photo.dataset}"


def _how(pair: Any) -> str:
    if pair.same_file:
        return "the same file"
    return "mirrored" if pair.mirrored else ""


def _duplicates_data(found: Duplicates) -> dict[str, Any]:
    leaked = None if found.leaked is None else [photo.as_dict() for photo in found.leaked]
    return {
        "photos": [pair.as_dict() for pair in found.photos], "segments": [one.as_dict() for one in found.segments],
        "compared": found.compared, "gone": found.gone, "evaluation_photos": found.other,
        "unusable": found.unusable, "leaked": leaked,
    }  # fmt: skip


def _tell_duplicates(found: Duplicates) -> None:
    missing = f"; {found.gone} were not where they had been, and were not compared" if found.gone else ""
    output.message(f"{found.compared} photos of the store were compared{missing}")
    if found.leaked is not None:
        unusable = f", {found.unusable} could not be read" if found.unusable else ""
        same = sum(pair.same_file for pair in found.photos)
        how = f"{same} are the same file, {len(found.leaked) - same} look like a stored one{unusable}"
        output.message(f"{len(found.leaked)} of your {found.other} evaluation photos are in the store: {how}")
