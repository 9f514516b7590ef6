"""The crops of listed segments: as a page, as a piece of a notebook, and as one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.data.images import fitted
from retclip.report.crops import CropCutter, stored_mask
from retclip.report.html_page import filled, jpeg_address
from retclip.report.palette import RGB, class_colours, css_colour
from retclip.report.sheet import GREY, Sheet, shortened
from retclip.store.records import ListedSegment

SIDE = 200  # longer side of a crop in pixels
COLUMNS, TILE, GAP, CAPTION, HEAD = 6, 176, 14, 96, 44  # of a picture of crops, in pixels but for the columns
IN_PAGE, IN_PICTURE = 500, 240  # crops at most
GONE = "photo not found"

ReadsMasks = Callable[[Sequence[UUID]], Mapping[UUID, tuple[bytes, int, int]]]


@dataclass(frozen=True)
class Crop:
    """A listed segment with its crop.

    pixels: (h, w, 3) uint8, at most SIDE on a side; None where the photo is no longer there.
    colour: of its class.
    """

    segment: ListedSegment
    pixels: NDArray[np.uint8] | None
    colour: RGB

    @property
    def address(self) -> str | None:
        """The crop as a data address for a page; None where the photo is no longer there."""
        return None if self.pixels is None else jpeg_address(self.pixels)


def cut_crops(segments: Sequence[ListedSegment], masks: ReadsMasks | None) -> list[Crop]:
    """Cut the crops of segments from their photos, each of which is decoded once."""
    stored, cutter = masks([segment.id for segment in segments]) if masks else {}, CropCutter()
    colours = class_colours(sorted({segment.class_name for segment in segments}))
    cut: dict[int, NDArray[np.uint8] | None] = {}
    for number in sorted(range(len(segments)), key=lambda number: segments[number].image_uri):
        segment = segments[number]
        mask = stored_mask(stored.get(segment.id))
        pixels = cutter.cut(segment.image_uri, segment.image_sha256, segment.box, mask)
        cut[number] = None if pixels is None or not pixels.size else fitted(pixels, SIDE)
    return [Crop(segment, cut[number], colours[segment.class_name]) for number, segment in enumerate(segments)]


def page_values(segments: Sequence[ListedSegment], title: str, masks: ReadsMasks | None) -> dict[str, Any]:
    """Return the values of the page of crops."""
    return {
        "title": title, "count": len(segments), "left_out": max(0, len(segments) - IN_PAGE),
        "cards": [_card(number + 1, crop) for number, crop in enumerate(cut_crops(segments[:IN_PAGE], masks))],
    }  # fmt: skip


def photo_name(segment: ListedSegment) -> str:
    """Return the file name of a segment's photo, else the id of its image."""
    return Path(segment.image_uri).name or segment.image


def crops_html(segments: Sequence[ListedSegment], title: str, masks: ReadsMasks | None) -> str:
    """Return a piece of HTML with the crops, for a notebook."""
    return filled("segment_cards.html", page_values(segments, title, masks))


def contact_sheet(segments: Sequence[ListedSegment], title: str, masks: ReadsMasks | None) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8: the crops in rows, each with label, distance and origin."""
    crops = cut_crops(segments[:IN_PICTURE], masks)
    columns = min(COLUMNS, max(3, len(crops)))
    height = HEAD + max(1, -(-len(crops) // columns)) * (TILE + CAPTION + GAP)
    sheet = Sheet(GAP + columns * (TILE + GAP), height)
    said = f", the first {IN_PICTURE} of {len(segments)}" if len(segments) > IN_PICTURE else ""
    sheet.text((GAP, 12), shortened(f"{title}{said}", 60), size=17)
    if not crops:
        sheet.text((GAP, HEAD + 10), "no segment", GREY, 14)
    for number, crop in enumerate(crops):
        x, y = GAP + number % columns * (TILE + GAP), HEAD + number // columns * (TILE + CAPTION + GAP)
        _draw(sheet, crop, number + 1, (x, y))
    return sheet.pixels(height)


def _draw(sheet: Sheet, crop: Crop, rank: int, place: tuple[int, int]) -> None:
    x, y = place
    if crop.pixels is None:
        sheet.empty(place, (TILE, TILE), GONE)
    else:
        sheet.picture(place, crop.pixels, (TILE, TILE), crop.colour)
    sheet.text((x, y + TILE + 4), shortened(f"{rank}. {_label(crop.segment)}", 24), size=14)
    for number, line in enumerate(_lines(crop.segment)):
        sheet.text((x, y + TILE + 23 + 14 * number), shortened(line, 31), GREY, 11)


def _label(segment: ListedSegment) -> str:
    return f"{segment.class_name} -> {segment.suggested}" if segment.suggested else segment.class_name


def _lines(segment: ListedSegment) -> list[str]:
    """Return distance and trust, state and label source, photo and data set, note or run, the beginning of the id."""
    figures = [] if segment.distance is None else [f"distance {segment.distance:.4f}"]
    figures += [] if segment.trust is None else [f"trust {segment.trust:.2f}"]
    said = [f"{segment.state}, label: {segment.label_source}", f"{photo_name(segment)} of {segment.dataset}"]
    said.append(segment.note or f"mask of run {segment.run}, score {segment.score:.2f}")
    return [*([", ".join(figures)] if figures else []), *said, str(segment.id)[:8]]


def _card(rank: int, crop: Crop) -> dict[str, Any]:
    """Return what a card of the page shows."""
    return {
        "rank": rank, "segment": crop.segment, "id": str(crop.segment.id), "photo": photo_name(crop.segment),
        "colour": css_colour(crop.colour), "gone": GONE, "picture": crop.address,
    }  # fmt: skip
