"""The report of a reproduced table: each cell's published figures, ours, the difference, and what a cell lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retclip.reproduction.missing_parts import MissingPart
from retclip.reproduction.published import PublishedTable
from retclip.reproduction.records import Record, records_of
from retclip.reproduction.worlds import PAPER, World

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class CellResult:
    """A cell of the report.

    name, said: the row's; baseline: the row that it is compared with, "" = none.
    published, ours: figure -> percent, None where it was not counted; `ours` is empty where the cell did not run.
    unseen: the same figures of the classes that the fine-tuning did not see; empty where nobody says which.
    lacks: names of the missing parts.
    stand_ins: part of the row -> what ran in its place.
    failed: images, rows and objects that could not be used; run.json lists them.
    folder: of its run.json, "" where it did not run.
    """

    name: str
    said: str
    baseline: str
    published: Figures
    ours: Figures
    unseen: Figures
    lacks: tuple[str, ...]
    stand_ins: Mapping[str, str]
    failed: int
    folder: str

    @property
    def difference(self) -> dict[str, float | None]:
        """Ours less the published figures, in points; None where either is not there."""
        return {key: _less(self.ours.get(key), value) for key, value in self.published.items()}


@dataclass(frozen=True)
class Reproduction:
    """A table of the paper, filled.

    table, title, source, note: of the facts; world: paper or miniature; test: what every cell was judged on.
    images: how many were judged; 0 = none.
    figures: those that the table has.
    missing: what this machine does not have, with how to get it.
    """

    table: str
    title: str
    source: str
    note: str
    world: str
    test: str
    images: int
    figures: tuple[str, ...]
    cells: tuple[CellResult, ...]
    missing: tuple[MissingPart, ...]

    @property
    def comparable(self) -> bool:
        """Whether ours may be held against the published figures: only on the paper's own data."""
        return self.world == PAPER

    @property
    def records(self) -> tuple[Record, ...]:
        """The figures of others that belong beside this table."""
        return records_of(self.table)

    def above_baseline(self, cell: CellResult, published: bool) -> dict[str, float | None]:
        """Return a cell's figures less those of its baseline, in points: what worlds can be compared by."""
        rows = {other.name: (other.published if published else other.ours) for other in self.cells}
        below = rows.get(cell.baseline, {})
        return {key: _less(rows[cell.name].get(key), below.get(key)) for key in self.figures}

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        cells = [
            {**asdict(cell), "difference": cell.difference,
             "above_baseline": {"published": self.above_baseline(cell, True), "ours": self.above_baseline(cell, False)}}
            for cell in self.cells
        ]  # fmt: skip
        records = [asdict(record) for record in self.records]
        return {**asdict(self), "cells": cells, "comparable": self.comparable, "records": records}


def reproduction_of(
    table: PublishedTable, world: World, cells: Sequence[CellResult], missing: tuple[MissingPart, ...], images: int = 0
) -> Reproduction:
    """Return the report of a table's cells in a world."""
    return Reproduction(
        table.name, table.title, table.source, table.note, world.name, world.test, images, table.figures, tuple(cells),
        missing,
    )  # fmt: skip


def _less(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
