"""An explanation as one picture: the segment, the scores of each source, and the stored segments that caused them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from retclip.data import rle
from retclip.data.images import write_png
from retclip.errors import DataError
from retclip.report.crops import CropCutter
from retclip.report.palette import colour
from retclip.store import catalog
from retclip.store.catalog import StoredSegment
from retclip.store.engine import transaction
from retclip.store.feature_store import FeatureStore
from retclip.types import PanopticSegmentation
from retclip.workflows.explain import ExplainedNeighbour, Explanation
from retclip.workflows.provenance import told_weights

TILE, CAPTION, GAP, COLUMNS, SHOWN = 150, 142, 12, 6, 12  # pixels, pixels, pixels, tiles a row, neighbours at most
QUERY = 220  # height of the segment itself
LEFT = 340  # width of the column with the segment and its scores
INK, GREY, PAPER = (25, 25, 30), (110, 110, 118), (255, 255, 255)


def save_picture(path: Path, store: FeatureStore, result: PanopticSegmentation, why: Explanation) -> None:
    """Write the explanation as a PNG."""
    write_png(path, picture(store, result, why))


def picture(store: FeatureStore, result: PanopticSegmentation, why: Explanation) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: on the left the segment and its scores, on the right its neighbours, nearest first."""
    near = why.neighbours[:SHOWN]
    rows = max(1, -(-len(near) // COLUMNS))
    height = max(56 + rows * (TILE + CAPTION + GAP), 100 + QUERY + _height_of_scores(why))
    sheet = Image.new("RGB", (LEFT + COLUMNS * (TILE + GAP) + GAP, height), PAPER)
    draw, cutter = ImageDraw.Draw(sheet), CropCutter()
    _query(sheet, draw, cutter, result, why)
    draw.text((LEFT, 12), f"{len(why.neighbours)} nearest stored segments{_votes(why)}", INK, font(16))
    for number, one in enumerate(near):
        place = (LEFT + number % COLUMNS * (TILE + GAP), 44 + number // COLUMNS * (TILE + CAPTION + GAP))
        _neighbour(sheet, draw, cutter, store, one, number + 1, place)
    return np.asarray(sheet)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own scalable font."""
    return ImageFont.load_default(size)


def _query(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, cutter: CropCutter, result: PanopticSegmentation, why: Explanation
) -> None:
    one = why.segment
    draw.text((GAP, 12), f"segment {one.id}: {one.class_name}", INK, font(18))
    draw.text((GAP, 36), f"{_shortened(Path(why.image_uri).name, 30)}  score {one.score:.2f}", GREY, font(13))
    if why.masks > 1:
        draw.text((GAP, 53), f"one of the {why.masks} masks it is made of", GREY, font(13))
    mine = result.label_map == one.id if result.mask_map is None else result.mask_map == why.mask
    crop = cutter.cut(why.image_uri, why.image_sha256, why.box, mine)
    _paste(sheet, draw, crop, (GAP, 74), (LEFT - 3 * GAP, QUERY), colour(one.class_name))
    y = 74 + QUERY + 14
    for source, scores in {**why.scores, "together": why.combined}.items():
        draw.text((GAP, y), source, INK, font(14))
        y += 20
        for name, value in scores.items():
            draw.rectangle((GAP + 120, y + 3, GAP + 120 + int(130 * min(value, 1.0)), y + 14), fill=colour(name))
            draw.text((GAP, y), name[:18], INK, font(13))
            draw.text((GAP + 256, y), f"{value:.3f}", GREY, font(13))
            y += 18
        y += 8


def _neighbour(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, cutter: CropCutter, store: FeatureStore,
    one: ExplainedNeighbour, rank: int, place: tuple[int, int],
) -> None:  # fmt: skip
    known = one.stored
    crop = cutter.cut(known.image_uri, known.image_sha256, known.box, _mask(store, one)) if known else None
    _paste(sheet, draw, crop, place, (TILE, TILE), colour(one.class_then))
    x, y = place[0], place[1] + TILE + 2
    draw.text((x, y), f"{rank}. {one.class_then}"[:22], INK, font(14))
    draw.text((x, y + 17), f"distance {one.distance:.3f}", GREY, font(12))
    if known is None:
        draw.text((x, y + 32), "no longer in the store", GREY, font(12))
        return
    for line, told in enumerate(_provenance(known)):
        draw.text((x, y + 32 + 15 * line), _shortened(told, 23), GREY, font(12))


def _provenance(known: StoredSegment) -> tuple[str, ...]:
    """Seven lines: who named it, where it comes from, who made the mask, how sure that was, with which weights."""
    detector, mask = known.detector_score, known.mask_score
    behind = {"detector": detector, "mask": mask} if (detector, mask) != (None, None) else {"score": known.score}
    return (
        f"{known.label_source}, {known.labelled_by}",
        known.dataset,
        Path(known.image_uri).name,
        known.proposer,
        f"version {known.proposer_version}",
        " ".join(f"{name} {value:.2f}" for name, value in behind.items() if value is not None),
        f"weights {told_weights(known.components, 'proposer')}",
    )


def _mask(store: FeatureStore, one: ExplainedNeighbour) -> NDArray[np.bool_] | None:
    with transaction(store.engine) as connection:
        found = catalog.segment_mask(connection, one.id)
    if found is None:
        return None
    counts, height, width = found
    try:
        return rle.decode({"size": [height, width], "counts": counts.decode()})
    except DataError:
        return None


def _paste(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, crop: NDArray[np.uint8] | None,
    place: tuple[int, int], room: tuple[int, int], edge: tuple[int, int, int],
) -> None:  # fmt: skip
    x, y = place
    if crop is None or not crop.size:
        draw.rectangle((x, y, x + room[0] - 1, y + room[1] - 1), outline=GREY)
        draw.text((x + 10, y + room[1] // 2 - 8), "photo not found", GREY, font(13))
        return
    scale = min(room[0] / crop.shape[1], room[1] / crop.shape[0])
    size = (max(1, int(crop.shape[1] * scale)), max(1, int(crop.shape[0] * scale)))
    sheet.paste(Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS), place)
    draw.rectangle((x, y, x + size[0] - 1, y + size[1] - 1), outline=edge, width=3)


def _shortened(text: str, length: int) -> str:
    """The beginning and the end of a long name: photos of one folder differ at the end."""
    return text if len(text) <= length else f"{text[: length // 3]}...{text[len(text) - (length - length // 3 - 3) :]}"


def _votes(why: Explanation) -> str:
    votes = list(why.votes().items())[:4]
    return ": " + ", ".join(f"{count} {name}" for name, count in votes) if votes else ""


def _height_of_scores(why: Explanation) -> int:
    return sum(28 + 18 * len(scores) for scores in (*why.scores.values(), why.combined))
