"""An explanation as one picture: the segment, its margin, the scores of each source, the vote, the segments that voted,
and the negative examples of their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.quantities import quantity
from retclip.report.crops import CropCutter, stored_mask
from retclip.report.palette import RGB, class_colours
from retclip.report.sheet import GREY, Sheet, shortened
from retclip.store.feature_store import FeatureStore
from retclip.store.records import StoredSegment
from retclip.types import Image, PanopticSegmentation
from retclip.workflows.building.provenance import told_weights
from retclip.workflows.explain.explanation import ExplainedNeighbour, Explanation, NegativeExample

LEFT, GAP = 360, 14  # width of the column with the segment and its scores; between things
SIDE, CAPTION, COLUMNS, SHOWN = 122, 108, 4, 12  # of a crop; under it; tiles a row; neighbours at most
TILE = 2 * SIDE + 6  # a crop and beside it the whole photo
ROW = SIDE + CAPTION + GAP  # from one row of tiles to the next
HEADING = 30  # above the negative examples
QUERY = 200  # height of the segment itself


def picture(
    store: FeatureStore | None, result: PanopticSegmentation, why: Explanation, image: Image | None = None
) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8: on the left the segment, its margin and its scores, on the right its neighbours, nearest
    first, and below them the nearest negative example of each class.

    image: the photo; None = it is read from its file, if that is still the same.
    """
    near = why.neighbours[:SHOWN]
    rows = max(1, -(-len(near) // COLUMNS))
    more = HEADING + ROW if why.negatives else 0
    height = max(160 + rows * ROW + more, 320 + QUERY + _height_of_scores(why))
    sheet = Sheet(LEFT + COLUMNS * (TILE + GAP), height)
    cutter = CropCutter({image.uri: image} if image is not None else {})
    colours = class_colours([*why.classes, why.segment.class_name])
    bottom = _query(sheet, cutter, result, why, colours)
    top = _vote(sheet, why)
    tiles = _Tiles(sheet, cutter, store, colours)
    for number, neighbour in enumerate(near):
        place = LEFT + number % COLUMNS * (TILE + GAP), top + number // COLUMNS * ROW
        tiles.draw(place, neighbour.id, neighbour.stored, neighbour.class_then, _neighbour(neighbour, number + 1, why))
    below = top + rows * ROW
    if why.negatives:
        _negatives(tiles, why.negatives, below)
    return sheet.pixels(max(bottom, below + more))


def _query(
    sheet: Sheet, cutter: CropCutter, result: PanopticSegmentation, why: Explanation, colours: Mapping[str, RGB]
) -> int:
    """Draw the left column; return the y below it."""
    segment = why.segment
    sheet.text((GAP, 12), shortened(f"segment {segment.id}: {segment.class_name}", 36), size=18)
    sheet.text((GAP, 36), f"{shortened(Path(why.image_uri).name, 30)}  score {segment.score:.2f}", GREY)
    if why.masks > 1:
        sheet.text((GAP, 53), f"one of the {why.masks} masks it is made of", GREY)
    mask = result.label_map == segment.id if result.mask_map is None else result.mask_map == why.mask
    photo = _Shown(why.image_uri, why.image_sha256, why.box, mask)
    y, half = 76, (LEFT - 3 * GAP) // 2
    _cut(sheet, cutter, photo, colours[segment.class_name], (GAP, y), (half, QUERY))
    y = sheet.paragraph((GAP, y + QUERY + 8), why.verdict(), LEFT - 2 * GAP) + 4
    if why.margin is not None:
        y = sheet.paragraph((GAP, y), f"margin: {why.margin.told(segment.class_name)}", LEFT - 2 * GAP)
    y += 6
    for source, scores in {**why.scores, "together": why.combined}.items():
        sheet.text((GAP, y), source, size=14)
        y += 20
        silent = why.unknown.get(source, ())
        for name, value in scores.items():
            sheet.bar((GAP + 130, y + 3), value, 130, colours.get(name, GREY))
            sheet.text((GAP, y), shortened(name, 19))
            sheet.text((GAP + 268, y), "unknown" if name in silent else f"{value:.3f}", GREY)
            y += 18
        y += 8
    return y


def _vote(sheet: Sheet, why: Explanation) -> int:
    """Draw the lines above the neighbours; return the y below them."""
    width = COLUMNS * (TILE + GAP) - GAP
    note = f", {SHOWN} of them shown" if len(why.neighbours) > SHOWN else ""
    sheet.text((LEFT, 12), f"{len(why.neighbours)} nearest stored segments{note}", size=18)
    if why.vote is None or not why.votes():
        return 46
    y = sheet.paragraph((LEFT, 38), f"{why.vote.classifier}: {why.told_votes()}", width)
    return sheet.paragraph((LEFT, y), f"the rule: {why.vote.rule}", width, GREY) + 8


class _Tiles(NamedTuple):
    """Draws stored segments: a crop, the whole photo beside it, and a few lines."""

    sheet: Sheet
    cutter: CropCutter
    store: FeatureStore | None
    colours: Mapping[str, RGB]

    def draw(
        self, place: tuple[int, int], number: UUID, stored: StoredSegment | None, class_name: str, lines: Sequence[str]
    ) -> None:
        """Draw a segment, framed in the colour of a class. lines: a title, its figures, and where it comes from."""
        x, y = place
        if stored is None:
            self.sheet.empty(place, (SIDE, SIDE), "gone")
        else:
            mask = stored_mask(self.store.segments.mask(number)) if self.store else None
            photo = _Shown(stored.image_uri, stored.image_sha256, stored.box, mask)
            _cut(self.sheet, self.cutter, photo, self.colours.get(class_name, GREY), place, (SIDE, SIDE))
        y += SIDE + 3
        title, figures, *others = lines
        self.sheet.text((x, y), shortened(title, 34), size=14)
        self.sheet.text((x, y + 18), figures, GREY)
        for row, line in enumerate(others):
            self.sheet.text((x, y + 34 + 14 * row), shortened(line, 42), GREY, 12)


def _neighbour(neighbour: ExplainedNeighbour, rank: int, why: Explanation) -> tuple[str, ...]:
    """Return the lines under a neighbour, which say, too, whether it has no vote, or is one that the margin names."""
    marked = ", no vote" if neighbour.barred else ""
    marked += ", in the margin" if why.margin is not None and neighbour.id in why.margin.segments else ""
    share = "" if neighbour.share is None else f"share {neighbour.share:.4f}, "
    effect = "" if neighbour.effect is None else f"effect {neighbour.effect:+.4f}, "
    figures = f"{share}{effect}distance {neighbour.distance:.4f}"
    return f"{rank}. {neighbour.label}{marked}", figures, *_provenance(neighbour)


def _negatives(tiles: _Tiles, negatives: Sequence[NegativeExample], top: int) -> None:
    """Draw the nearest negative example of each class in a row, the nearest class first."""
    shown = negatives[:COLUMNS]
    note = f", of {COLUMNS} of {len(negatives)} classes" if len(negatives) > COLUMNS else ""
    tiles.sheet.text((LEFT, top), f"nearest negative examples{note}: what a person said is not of the class", size=16)
    stored = tiles.store.segments.get([example.nearest for example in shown]) if tiles.store else {}
    for number, example in enumerate(shown):
        segment = stored.get(example.nearest)
        kept = f"it keeps {quantity(example.barred, 'neighbour')} from voting"
        figures = f"{example.distance:.4f} decorrelated, of {quantity(example.examples, 'example')}"
        photo = () if segment is None else (f"stored as {segment.class_name}", Path(segment.image_uri).name)
        place = LEFT + number * (TILE + GAP), top + HEADING
        tiles.draw(place, example.nearest, segment, example.class_name,
                   (f"not {example.class_name}", figures, kept, *photo))  # fmt: skip


def _provenance(neighbour: ExplainedNeighbour) -> tuple[str, ...]:
    """Return a neighbour's label source, photo and data set, proposer and its scores, and weights."""
    stored = neighbour.stored
    if stored is None:
        return ("no longer in the store",)
    detector, mask = stored.detector_score, stored.mask_score
    behind = {"detector": detector, "mask": mask} if (detector, mask) != (None, None) else {"score": stored.score}
    now = "" if neighbour.renamed is None else f", now {neighbour.renamed}"
    return (
        f"said by {stored.said_by}, {stored.labelled_by}{now}",
        Path(stored.image_uri).name,
        f"of {stored.dataset}",
        f"{stored.proposer} {stored.proposer_version}",
        " ".join([*(f"{name} {value:.2f}" for name, value in behind.items() if value is not None),
                  f"weights {told_weights(stored.components, 'proposer')}"]),
    )  # fmt: skip


class _Shown(NamedTuple):
    """A segment in its photo, as `CropCutter` takes it."""

    uri: str
    sha256: str
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_] | None


def _cut(
    sheet: Sheet, cutter: CropCutter, photo: _Shown, colour: RGB, place: tuple[int, int], room: tuple[int, int]
) -> None:
    """Draw the segment, and beside it the whole photo with the mask in it, each within `room`."""
    crop, overview = cutter.cut(*photo), cutter.whole(*photo, colour, room)
    if crop is None or not crop.size or overview is None:
        sheet.empty(place, room, "photo not found")
        return
    sheet.picture(place, crop, room, colour)
    sheet.picture((place[0] + room[0] + 6, place[1]), overview, room, GREY, 1)


def _height_of_scores(why: Explanation) -> int:
    return sum(28 + 18 * len(scores) for scores in (*why.scores.values(), why.combined))
