"""A list of stored segments for people: a table, a page or a sheet of crops, a list in CSV, plain data."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload
from uuid import UUID

from retclip.data.images import make_folder, write_png
from retclip.errors import DataError
from retclip.escaping import spreadsheet_cell
from retclip.own_files import SEGMENTS_HEAD, require_replaceable, written_whole
from retclip.report.html_page import write_page
from retclip.report.segment_crops import ReadsMasks, contact_sheet, crops_html, page_values
from retclip.store.records import ListedSegment

KINDS = (".html", ".htm", ".png", ".csv")
IN_NOTEBOOK, IN_REPR = 24, 8  # segments that a notebook, and a line of text for each, show
BOX = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, repr=False)
class SegmentTable(Sequence[ListedSegment]):
    """Stored segments in the order of the answer. A slice is a table, too.

    segments: of this page.
    title: what the list is of.
    next: the cursor of the page that follows; None after the last one.
    masks: reads the masks of segments, for pictures; None: crops are boxes.
    notes: what the answer passed over.
    """

    segments: tuple[ListedSegment, ...]
    title: str = "segments"
    next: str | None = None
    masks: ReadsMasks | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.segments)

    @overload
    def __getitem__(self, place: int) -> ListedSegment: ...

    @overload
    def __getitem__(self, place: slice) -> SegmentTable: ...

    def __getitem__(self, place: int | slice) -> ListedSegment | SegmentTable:
        if isinstance(place, slice):
            return SegmentTable(self.segments[place], self.title, None, self.masks, self.notes)
        return self.segments[place]

    def __iter__(self) -> Iterator[ListedSegment]:
        return iter(self.segments)

    @property
    def ids(self) -> tuple[UUID, ...]:
        """The ids of the segments."""
        return tuple(segment.id for segment in self.segments)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        segments = [segment.as_dict() for segment in self.segments]
        return {"title": self.title, "segments": segments, "next": self.next, "notes": list(self.notes)}

    def save(self, path: str | Path) -> Path:
        """Write a page with crops (.html), a sheet of crops (.png) or a list (.csv); return its path.

        A photo that is no longer there is said in its place.
        Raises DataError for another ending and a file that cannot be written, ConfigError for a file that RetCLIP did
        not make.
        """
        file = check_sheet(Path(path), "save()")
        kind = file.suffix.lower()
        if kind == ".csv":
            self._write_csv(file)
        elif kind == ".png":
            write_png(file, contact_sheet(self.segments, self.title, self.masks))
        else:
            write_page(file, "segments.html", page_values(self.segments, self.title, self.masks))
        return file

    def _write_csv(self, file: Path) -> None:
        make_folder(file.parent)
        try:
            with (
                written_whole(file) as place,
                place.open("w", newline="", encoding="utf-8", errors="backslashreplace") as out,
            ):
                writer = csv.DictWriter(out, SEGMENTS_HEAD)
                writer.writeheader()
                writer.writerows(_row(segment) for segment in self.segments)
        except OSError as error:
            raise DataError(f"a file that can be written: {file}", str(error), "choose another name") from error

    def _repr_html_(self) -> str:
        return crops_html(self.segments[:IN_NOTEBOOK], repr(self).splitlines()[0].strip("<>"), self.masks)

    def __repr__(self) -> str:
        more = ", more to come" if self.next else ""
        lines = [f"<SegmentTable of {len(self)}: {self.title}{more}>"]
        lines += [f"  {_line(segment)}" for segment in self.segments[:IN_REPR]]
        if len(self) > IN_REPR:
            lines.append(f"  ... and {len(self) - IN_REPR} more")
        return "\n".join(lines)


def check_sheet(path: Path, flag: str = "--sheet") -> Path:
    """Check before the work that a list can be written there.

    flag: how another name is chosen.
    Raises DataError for an ending that is none of KINDS and a place that cannot be written, ConfigError for a file that
    RetCLIP did not make.
    """
    if path.suffix.lower() not in KINDS:
        todo = f"write e.g. segments.html for {flag}"
        raise DataError("a file name that ends in .html, .png or .csv", repr(str(path)), todo)
    require_replaceable(path, flag)
    return path


def _row(segment: ListedSegment) -> dict[str, Any]:
    """Return a segment's cells, by column of SEGMENTS_HEAD."""
    plain = segment.as_dict() | dict(zip(BOX, segment.box, strict=True))
    cells: Mapping[str, Any] = {name: "" if plain[name] is None else plain[name] for name in SEGMENTS_HEAD}
    return {name: spreadsheet_cell(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}


def _line(segment: ListedSegment) -> str:
    parts = [str(segment.id)[:8], segment.class_name]
    parts += [f"{segment.distance:.4f}"] if segment.distance is not None else []
    parts += [str(segment.state), str(segment.label_source), segment.dataset, Path(segment.image_uri).name]
    return "  ".join([*parts, segment.note] if segment.note else parts)
