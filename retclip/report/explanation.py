"""An explanation as one picture: the segment, the scores of each source, the vote, and the segments that voted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retclip.data import rle
from retclip.data.images import write_png
from retclip.errors import DataError
from retclip.report.crops import CropCutter
from retclip.report.palette import RGB, class_colours
from retclip.report.sheet import GREY, Sheet, shortened
from retclip.store.feature_store import FeatureStore
from retclip.store.records import StoredSegment
from retclip.types import Image, PanopticSegmentation
from retclip.workflows.building.provenance import told_weights
from retclip.workflows.explain.explanation import ExplainedNeighbour, Explanation

LEFT, GAP = 360, 14  # width of the column with the segment and its scores; between things
SIDE, CAPTION, COLUMNS, SHOWN = 122, 108, 4, 12  # of a crop; under it; tiles a row; neighbours at most
TILE = 2 * SIDE + 6  # a crop and beside it the whole photo
QUERY = 200  # height of the segment itself


def save_picture(path: Path, store: FeatureStore | None, result: PanopticSegmentation, why: Explanation) -> None:
    """Write the explanation as a PNG."""
    write_png(path, picture(store, result, why))


def picture(
    store: FeatureStore | None, result: PanopticSegmentation, why: Explanation, image: Image | None = None
) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8: on the left the segment and its scores, on the right its neighbours, nearest first.

    image: the photo; None = it is read from its file, if that is still the same.
    """
    near = why.neighbours[:SHOWN]
    rows = max(1, -(-len(near) // COLUMNS))
    height = max(160 + rows * (SIDE + CAPTION + GAP), 220 + QUERY + _height_of_scores(why))
    sheet = Sheet(LEFT + COLUMNS * (TILE + GAP), height)
    cutter = CropCutter({image.uri: image} if image is not None else {})
    colours = class_colours([*why.classes, why.segment.class_name])
    bottom = _query(sheet, cutter, result, why, colours)
    top = _vote(sheet, why)
    for number, neighbour in enumerate(near):
        x, y = LEFT + number % COLUMNS * (TILE + GAP), top + number // COLUMNS * (SIDE + CAPTION + GAP)
        _neighbour(sheet, cutter, store, neighbour, number + 1, (x, y), colours)
    return sheet.pixels(max(bottom, top + rows * (SIDE + CAPTION + GAP)))


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
    y = sheet.paragraph((GAP, y + QUERY + 8), why.verdict(), LEFT - 2 * GAP) + 10
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


def _neighbour(
    sheet: Sheet, cutter: CropCutter, store: FeatureStore | None, neighbour: ExplainedNeighbour, rank: int,
    place: tuple[int, int], colours: Mapping[str, RGB],
) -> None:  # fmt: skip
    stored, colour, (x, y) = neighbour.stored, colours.get(neighbour.class_then, GREY), place
    if stored is None:
        sheet.empty(place, (SIDE, SIDE), "gone")
    else:
        photo = _Shown(stored.image_uri, stored.image_sha256, stored.box, _mask(store, neighbour))
        _cut(sheet, cutter, photo, colour, place, (SIDE, SIDE))
    y += SIDE + 3
    sheet.text((x, y), shortened(f"{rank}. {neighbour.class_then}", 34), size=14)
    share = "" if neighbour.share is None else f"share {neighbour.share:.4f}, "
    sheet.text((x, y + 18), f"{share}distance {neighbour.distance:.4f}", GREY)
    for number, line in enumerate(_provenance(neighbour.class_then, stored)):
        sheet.text((x, y + 34 + 14 * number), shortened(line, 42), GREY, 12)


def _provenance(class_then: str, stored: StoredSegment | None) -> tuple[str, ...]:
    """Return a neighbour's label source, photo and data set, proposer and its scores, and weights."""
    if stored is None:
        return ("no longer in the store",)
    detector, mask = stored.detector_score, stored.mask_score
    behind = {"detector": detector, "mask": mask} if (detector, mask) != (None, None) else {"score": stored.score}
    now = "" if stored.class_name == class_then else f", now {stored.class_name}"
    return (
        f"said by {stored.said_by}, {stored.labelled_by}{now}",
        f"{Path(stored.image_uri).name}",
        f"of {stored.dataset}",
        f"{stored.proposer} {stored.proposer_version}",
        " ".join([*(f"{name} {value:.2f}" for name, value in behind.items() if value is not None),
                  f"weights {told_weights(stored.components, 'proposer')}"]),
    )  # fmt: skip


def _mask(store: FeatureStore | None, neighbour: ExplainedNeighbour) -> NDArray[np.bool_] | None:
    mask = store.segments.mask(neighbour.id) if store else None
    if mask is None:
        return None
    counts, height, width = mask
    try:
        return rle.decode({"size": [height, width], "counts": counts.decode()})
    except DataError:
        return None


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
