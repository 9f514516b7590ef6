"""A page of suspects to act on: crop, label, suggested label, why, and the commands to copy."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retclip.report.html_page import write_page
from retclip.report.segment_crops import GONE, Crop, ReadsMasks, cut_crops, photo_name
from retclip.report.segment_table import check_sheet
from retclip.store.records import ListedSegment
from retclip.workflows.audit.mislabels import Suspect

IN_PAGE = 300  # suspects at most


def write_audit_page(path: Path, suspects: Sequence[Suspect], title: str, store: Path, masks: ReadsMasks) -> Path:
    """Write the page, and return its path.

    store: the folder, for the commands.
    Raises DataError for a file that cannot be written, ConfigError for one that RetCLIP did not make.
    """
    file = check_sheet(path, "--html")
    shown = suspects[:IN_PAGE]
    every = {segment.id: segment for suspect in shown for segment in (suspect.segment, *suspect.neighbours)}
    crops = {crop.segment.id: crop for crop in cut_crops(list(every.values()), masks)}
    values = {
        "title": title, "count": len(suspects), "left_out": len(suspects) - len(shown),
        "gone": len({crop.segment.image for crop in crops.values() if crop.pixels is None}),
        "rows": [_row(number + 1, suspect, crops, store) for number, suspect in enumerate(shown)],
    }  # fmt: skip
    write_page(file, "audit.html", values)
    return file


def _row(rank: int, suspect: Suspect, crops: dict[Any, Crop], store: Path) -> dict[str, Any]:
    segment = suspect.segment
    return {
        "rank": rank, "segment": segment, "picture": crops[segment.id].address, "gone": GONE,
        "photo": photo_name(segment), "commands": _commands(segment, store),
        "neighbours": [{"segment": near, "picture": crops[near.id].address} for near in suspect.neighbours],
    }  # fmt: skip


def _commands(segment: ListedSegment, store: Path) -> list[str]:
    """Return the commands that correct a segment, to be copied into a shell."""
    end = ["--store", str(store)]
    relabel = [["retclip", "relabel", str(segment.id), segment.suggested, *end]] if segment.suggested else []
    return [shlex.join(words) for words in (*relabel, ["retclip", "quarantine", str(segment.id), *end])]
