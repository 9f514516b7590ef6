"""`retclip reproduce`: a table of the paper, filled cell by cell, or the complete list of what is missing for it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from retclip.cli import options, output
from retclip.cli.progress import ProgressLine
from retclip.errors import PartialFailure, PartsMissing

if TYPE_CHECKING:
    from retclip.reproduction.reproduction import Reproduction


class Table(StrEnum):
    """The paper's tables, and ours."""

    table_1 = "table-1"
    table_2 = "table-2"
    table_3 = "table-3"
    table_4 = "table-4"
    choices = "choices"


class On(StrEnum):
    """The worlds."""

    paper = "paper"
    miniature = "miniature"


@options.spread
def reproduce(
    table: Annotated[Table, typer.Argument(help="One of the paper's, or `choices`: what we do otherwise.")],
    on: Annotated[On, typer.Option("--on", help="The paper's data and models, or the drawn world.")] = On.paper,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Stores, runs and the table.")] = Path(
        "reproduced"
    ),
    partial: Annotated[bool, typer.Option("--partial", help="Run the rows that lack nothing.")] = False,
    ade20k: Annotated[Path, typer.Option(metavar="DIR", help="ADE20K, with its panoptic JSON and PNGs.")] = Path(
        "ADEChallengeData2016"
    ),
    open_images: Annotated[Path, typer.Option(metavar="DIR", help="Open Images.")] = Path("open-images"),
    names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The names by which ADE20K's classes are asked: FC-CLIP's list."),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="On the miniature: scenes that are judged.")] = 100,
    stored: Annotated[int, typer.Option(min=1, help="On the miniature: scenes in each store.")] = 300,
    settings: options.Set = None,
    json: options.Json = False,
) -> None:
    """Fill a table of the paper: published figure, ours, difference, and beside it what others report and what they
    were allowed to see. Stopped or killed, it goes on where it was. Where something is missing it says what, how to get
    it and where it goes, and computes nothing (exit code 6)."""
    from retclip.reproduction.reproduce import reproduce as fill

    nested = options.with_settings({}, settings)
    try:
        with output.told_when_stopped(), ProgressLine() as line:
            report = fill(
                table.value, on.value, out, partial, ade20k=ade20k, open_images=open_images, names=names,
                scenes=scenes, stored=stored, settings=nested, on_progress=line,
            )  # fmt: skip
    except PartsMissing as error:
        _tell(cast("Reproduction", error.reproduction), json)
        raise
    _tell(report, json)
    output.message(f"wrote {out / table.value}.md, .html and .json")
    if unfilled := [cell for cell in report.cells if cell.lacks]:
        got = f"{len(unfilled)} of {len(report.cells)} that lack something, first {unfilled[0].said}"
        raise PartialFailure("every row to run", got, "see the list above; the others stand in the table")
    if failed := sum(cell.failed for cell in report.cells):
        raise PartialFailure("every input to be usable", f"{failed} failures", "each row's run.json lists them")


def _tell(report: Reproduction, json: bool) -> None:
    """Print a table, filled or not, the records beside it, and what is missing."""
    if json:
        output.data(report.as_dict())
        return
    from retclip.reproduction import table_rows as rows

    output.table(f"{report.table}: {report.title}", rows.columns_of(report), rows.rows_of(report))
    if not report.comparable:
        output.message(f"note: {rows.OTHER_DATA}")
        for part, instead in rows.stand_ins_of(report).items():
            output.message(f"note: in the place of {part}: {instead}")
    if report.note:
        output.message(f"note: {report.note}")
    output.table("records of others, with what each was allowed to see", rows.RECORD_COLUMNS, rows.record_rows(report))
    for record in (record for record in report.records if record.apart):
        output.message(f"never beside these: {record.system}, {record.miou:g} mIoU: {record.apart}")
    if report.missing:
        output.table("missing here", rows.MISSING_COLUMNS, rows.missing_rows(report))
