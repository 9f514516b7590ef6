"""A reproduced table as files: JSON for programs, Markdown, and one HTML page."""

from __future__ import annotations

from pathlib import Path

from retclip.escaping import one_line
from retclip.own_files import write_json, written_whole
from retclip.report.html_page import write_page
from retclip.reproduction.reproduction import Reproduction
from retclip.reproduction.table_rows import (
    MISSING_COLUMNS,
    OTHER_DATA,
    RECORD_COLUMNS,
    columns_of,
    markdown,
    missing_rows,
    record_rows,
    rows_of,
    stand_ins_of,
)


def write_reproduction(report: Reproduction, stem: Path) -> tuple[Path, ...]:
    """Write STEM.json, STEM.md and STEM.html; return them."""
    files = tuple(stem.with_name(stem.name + suffix) for suffix in (".json", ".md", ".html"))
    write_json(files[0], report.as_dict())
    with written_whole(files[1]) as temporary:
        temporary.write_text(one_line(markdown(report), keep="\n"), encoding="utf-8")
    tables = [("", columns_of(report), rows_of(report))]
    tables += [("Missing here", MISSING_COLUMNS, missing_rows(report))] if report.missing else []
    records = "Records of others on ADE20K-150, with what each was allowed to see"
    tables += [(records, RECORD_COLUMNS, record_rows(report))]
    apart = "Never beside these, for they are told the classes of each test image"
    tables += [(apart, RECORD_COLUMNS, rows)] if (rows := record_rows(report, apart=True)) else []
    values = {"report": report, "tables": tables, "stand_ins": stand_ins_of(report), "other_data": OTHER_DATA}
    with written_whole(files[2]) as temporary:
        write_page(temporary, "reproduction.html", values)
    return files
