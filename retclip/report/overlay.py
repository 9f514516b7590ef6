"""A photo with its segments: class colours, crisp borders, names inside the segments, and a legend below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from retclip.report.palette import colour
from retclip.types import PanopticSegmentation, SegmentInfo

WHITE, BLACK = (255, 255, 255), (20, 20, 24)
Box = tuple[float, float, float, float]


def overlay(pixels: NDArray[np.uint8], result: PanopticSegmentation, alpha: float = 0.5) -> NDArray[np.uint8]:
    """(H + legend, W, 3) uint8. alpha: how much of the colour covers the photo, [0, 1]; void stays as it was."""
    height, width = result.label_map.shape
    largest = max((one.id for one in result.segments), default=0)
    lookup = np.zeros((largest + 1, 3), dtype=np.float32)
    for one in result.segments:
        lookup[one.id] = colour(one.class_name)
    ids = np.where(result.label_map <= largest, result.label_map, 0)
    tinted = pixels * (1 - alpha) + lookup[ids] * alpha
    mixed = np.where((ids > 0)[..., None], tinted, pixels).astype(np.uint8)
    mixed[_borders(ids)] = WHITE
    sheet = Image.fromarray(mixed)
    size = max(11, min(26, round(min(height, width) / 26)))
    _write_names(sheet, result, ids, size)
    legend = _legend(result, width, size)
    joined = Image.new("RGB", (width, height + legend.height), WHITE)
    joined.paste(sheet, (0, 0))
    joined.paste(legend, (0, height))
    return np.asarray(joined)


def _borders(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour belongs to another segment."""
    edge = np.zeros(ids.shape, dtype=bool)
    edge[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    edge[:-1] |= ids[:-1] != ids[1:]
    return edge


def _write_names(sheet: Image.Image, result: PanopticSegmentation, ids: NDArray[np.int32], size: int) -> None:
    """Largest first, each at the point deepest inside its segment; a name that would hide another is left out."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    taken: list[Box] = []
    slices = ndimage.find_objects(ids)
    for one in sorted(result.segments, key=lambda segment: -segment.area):
        where = slices[one.id - 1] if one.id <= len(slices) else None
        if where is None or one.area < 6 * size * size:
            continue
        x, y = _deepest(ids[where] == one.id)
        centre = (x + where[1].start, y + where[0].start)
        box = _kept_inside(draw.textbbox(centre, one.class_name, font, anchor="mm"), sheet.size)
        if any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        draw.text(middle, one.class_name, WHITE, font, anchor="mm", stroke_width=max(2, size // 8), stroke_fill=BLACK)


def _deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """(x, y) of the pixel farthest from the mask's edge, found on a coarse grid where the mask is large."""
    step = max(1, max(mask.shape) // 200)
    depth = ndimage.distance_transform_cdt(np.pad(mask[::step, ::step], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x) * step, int(y) * step


def _kept_inside(box: Box, size: tuple[int, int]) -> Box:
    dx = max(0.0, 3 - box[0]) - max(0.0, box[2] - (size[0] - 3))
    dy = max(0.0, 3 - box[1]) - max(0.0, box[3] - (size[1] - 3))
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] + 3 and other[0] < one[2] + 3 and one[1] < other[3] + 3 and other[1] < one[3] + 3


def _legend(result: PanopticSegmentation, width: int, size: int) -> Image.Image:
    """A strip with a patch of colour, the name and the count of each class, in as many lines as needed."""
    font, step = ImageFont.load_default(size), round(size * 1.6)
    lines, x, row = [], 6.0, 0
    for name, count in _counts(result.segments).items():
        text = f"{name} ({count})" if count > 1 else name
        needed = size + 6 + font.getlength(text) + 14
        if x + needed > width and x > 6:
            x, row = 6.0, row + 1
        lines.append((x, row, name, text))
        x += needed
    strip = Image.new("RGB", (width, (row + 1) * step + 8 if lines else 0), WHITE)
    draw = ImageDraw.Draw(strip)
    for x, row, name, text in lines:
        y = 4 + row * step
        draw.rectangle((x, y + 3, x + size, y + 3 + size), fill=colour(name))
        draw.text((x + size + 6, y + 3 + size / 2), text, BLACK, font, anchor="lm")
    return strip


def _counts(segments: tuple[SegmentInfo, ...]) -> dict[str, int]:
    """Segments per class, the class with the largest area first."""
    areas: dict[str, int] = {}
    counts: dict[str, int] = {}
    for one in segments:
        areas[one.class_name] = areas.get(one.class_name, 0) + one.area
        counts[one.class_name] = counts.get(one.class_name, 0) + 1
    return {name: counts[name] for name in sorted(counts, key=lambda key: -areas[key])}
