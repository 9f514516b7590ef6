"""A reproduction as rows of text: the table, what stood in for what, what is missing, and the records of others."""

from __future__ import annotations

from collections.abc import Sequence

from retclip.reproduction.reproduction import CellResult, Reproduction
from retclip.workflows.evaluation.figure_titles import TITLES

ABSENT = "-"
OTHER_DATA = (
    "other photos and other models than the paper's: compare what a row gains over its baseline, never the figures"
)


def figure(value: float | None, sign: bool = False) -> str:
    """Return a figure with one decimal, `-` for None."""
    return ABSENT if value is None else f"{value:+.1f}" if sign else f"{value:.1f}"


def columns_of(report: Reproduction) -> tuple[str, ...]:
    """Return the titles of the table's columns."""
    gain, difference = TITLES[report.figures[0]], "difference" if report.comparable else "difference (unlike data)"
    figures = [f"{TITLES[key]} {side}" for key in report.figures for side in ("paper", "ours", difference)]
    return ("row", *figures, f"{gain} gained, paper", f"{gain} gained, ours", "unseen PQ", "unseen mIoU", "missing")


def rows_of(report: Reproduction) -> list[tuple[str, ...]]:
    """Return a row of text per cell, in the order of `columns_of`."""
    return [_row(report, cell) for cell in report.cells]


def _row(report: Reproduction, cell: CellResult) -> tuple[str, ...]:
    figures = [
        text
        for key in report.figures
        for text in (
            figure(cell.published.get(key)), figure(cell.ours.get(key)), figure(cell.difference.get(key), True)
        )
    ]  # fmt: skip
    first = report.figures[0]
    gains = [figure(report.above_baseline(cell, published).get(first), True) for published in (True, False)]
    unseen = [figure(cell.unseen.get(key)) for key in ("pq", "miou")]
    return (cell.said, *figures, *gains, *unseen, ", ".join(cell.lacks))


RECORD_COLUMNS = ("system", "year", "venue", "PQ", "mAP", "mIoU", "trained on", "sees at test time", "source")


def record_rows(report: Reproduction, apart: bool = False) -> list[tuple[str, ...]]:
    """Return the records beside the table, best first. apart: those that must not be compared with anything."""
    chosen = [record for record in report.records if bool(record.apart) is apart]
    chosen.sort(key=lambda record: (-(record.pq or 0.0), -(record.miou or 0.0)))
    return [
        (
            record.system, str(record.year or ABSENT), record.venue or ABSENT, figure(record.pq), figure(record.map),
            figure(record.miou), record.trained_on, record.sees, record.source,
        )
        for record in chosen
    ]  # fmt: skip


MISSING_COLUMNS = ("missing", "what", "how to get it", "where it goes", "rows")


def missing_rows(report: Reproduction) -> list[tuple[str, ...]]:
    """Return a row of text per missing part."""
    return [
        (f"{part.kind} {part.name}", part.what, part.how, part.where, ", ".join(part.rows) or "none must have it")
        for part in report.missing
    ]


def stand_ins_of(report: Reproduction) -> dict[str, str]:
    """Return what stood in for what, over all rows."""
    return {part: instead for cell in report.cells for part, instead in cell.stand_ins.items()}


def markdown(report: Reproduction) -> str:
    """Return the whole report as Markdown."""
    parts = [f"# {report.table}: {report.title}", "", f"Judged on `{report.test}`, {report.images} images."]
    if report.source:
        parts.append(f"Published figures: {report.source}. {report.note}".rstrip())
    if not report.comparable:
        parts += ["", f"**{OTHER_DATA[0].upper()}{OTHER_DATA[1:]}.**"]
    parts += ["", *_table(columns_of(report), rows_of(report))]
    if instead := stand_ins_of(report):
        parts += ["", "In the place of:", "", *(f"- {part}: {what}" for part, what in instead.items())]
    if report.missing:
        parts += ["", "## Missing here", "", *_table(MISSING_COLUMNS, missing_rows(report))]
    parts += ["", "## Records of others on ADE20K-150, with what each was allowed to see", ""]
    parts += _table(RECORD_COLUMNS, record_rows(report))
    if apart := record_rows(report, apart=True):
        parts += ["", "Never beside these, for they are told the classes of each test image:", ""]
        parts += _table(RECORD_COLUMNS, apart)
    return "\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
