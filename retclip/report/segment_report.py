"""Everything that is known of one segment, for people: as text, page, picture and plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retclip.quantities import quantity
from retclip.report.html_page import filled, write_page
from retclip.report.segment_crops import page_values
from retclip.report.segment_table import SegmentTable, check_sheet
from retclip.store.records import ListedSegment, SegmentDetails
from retclip.workflows.building.provenance import told_components


@dataclass(frozen=True, repr=False)
class SegmentReport:
    """A stored segment with all that the store knows of it, and its nearest visible neighbours.

    details: origin, slot, scores, and the facts about it.
    segment: as lists show it.
    neighbours: the nearest visible segments, itself left out.
    """

    details: SegmentDetails
    segment: ListedSegment
    neighbours: SegmentTable

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            **self.details.as_dict(),
            "segment": str(self.segment.id),
            "neighbours": self.neighbours.as_dict()["segments"],
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return what is known in pairs of a word and its value."""
        details, stored, (x0, y0, x1, y1) = self.details, self.details.stored, self.details.stored.box
        credit = details.credit
        scores = {"score": stored.score, "detector": stored.detector_score, "mask": stored.mask_score}
        suggested = f", {details.suggested} is nearer" if details.suggested else ""
        trust = [] if details.trust is None else [("trust", f"{details.trust:.3f}{suggested}")]
        return [
            ("segment", str(stored.id)),
            ("class", f"{stored.class_name}, said by {stored.said_by}, {stored.labelled_by}"),
            ("state", str(details.state)), *trust,
            ("photo", f"{stored.image_uri or details.image} ({details.image_size[1]} x {details.image_size[0]})"),
            ("image", f"{details.image}, sha256 {stored.image_sha256}"),
            ("data set", stored.dataset),
            ("credit", ", ".join(part for part in (credit.author, credit.licence, credit.address) if part) or "none"),
            ("mask", f"number {details.mask}, box {x0},{y0},{x1},{y1}, {stored.area} pixels"),
            ("slot", f"{stored.proposer}, prompt {stored.prompt}, number {details.ordinal}"),
            ("scores", ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)),
            ("run", f"{stored.run} of {stored.source}"),
            ("made by", f"{stored.proposer} {stored.proposer_version}; {told_components(stored.components)}"),
            ("vectors of", ", ".join(details.spaces) or "none"),
        ]  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """Write a page (.html), a sheet of crops of the segment and its neighbours (.png), or their list (.csv).

        Raises as `SegmentTable.save`.
        """
        file = check_sheet(Path(path), "save()")
        if file.suffix.lower() not in (".html", ".htm"):
            return self._table().save(file)
        write_page(file, "segment.html", self._values())
        return file

    def _table(self) -> SegmentTable:
        near = self.neighbours
        return replace(near, segments=(self.segment, *near), title=f"segment {self.segment.id} and its neighbours")

    def _values(self) -> dict[str, Any]:
        near = self.neighbours
        return {
            **page_values([self.segment], self.segment.class_name, near.masks), "lines": self.lines(),
            "facts": self.details.facts,
            "near": page_values(near.segments, f"{quantity(len(near), 'visible segment')}, nearest first", near.masks),
        }  # fmt: skip

    def _repr_html_(self) -> str:
        return filled("segment_report.html", self._values())

    def __repr__(self) -> str:
        lines = [f"<SegmentReport of {self.segment.id}>", *(f"  {name}: {value}" for name, value in self.lines())]
        lines += [f"  event {fact.event}, {fact.actor}: {fact.said()}" for fact in self.details.facts]
        return "\n".join([*lines, *(f"  near {line.strip()}" for line in repr(self.neighbours).splitlines()[1:])])
