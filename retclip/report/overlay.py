"""A photo with its segments: class colours, crisp borders, names inside the segments, and a legend below.

A segment wears its colour with the photo's light and shade on it, so that on average it has exactly that colour
whatever the photo shows there, and the patch in the legend has the colour of the area:

    painted = colour + (1 - alpha) * (grey - mean of grey over the segment)      grey: luminance, ITU-R BT.601
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from retclip.algorithms.pixel_counts import label_counts, label_sums, row_bands
from retclip.escaping import one_line
from retclip.report.palette import RGB, class_colours, shade
from retclip.report.result_summary import labelled_share, percent
from retclip.report.sheet import Font, shortened
from retclip.types import PanopticSegmentation, SegmentInfo

WHITE, BLACK, GREY = (255, 255, 255), (20, 20, 24), (110, 110, 118)
LEAST_VOID = 0.005  # share of the photo from which the legend speaks of it
SAMPLED = 2_000_000  # pixels out of which a patch's mean is taken, about
Box = tuple[float, float, float, float]


def overlay(
    pixels: NDArray[np.uint8],
    result: PanopticSegmentation,
    alpha: float = 0.4,
    names: Iterable[str] = (),
    legend: bool = True,
) -> NDArray[np.uint8]:
    """Return the photo with coloured, named segments, (H, W, 3) uint8 RGB; with a legend (H + its height, W, 3).

    pixels: (H, W, 3) uint8 RGB, the photo.
    result: label map (H, W) of the photo's size; void stays as the photo is.
    alpha: share of the photo's light and shade that is painted over, [0, 1].
    names: the whole vocabulary, so that a class has one colour in every picture; empty = the classes of `result`.
    legend: below the photo, for each class a patch, the name, the number of segments and the share of the photo.
    """
    height, width = result.label_map.shape
    largest = max((segment.id for segment in result.segments), default=0)
    has_others = result.label_map.max(initial=0) > largest
    ids = np.where(result.label_map <= largest, result.label_map, 0) if has_others else result.label_map
    colours = class_colours([*names, *(segment.class_name for segment in result.segments)])
    painted = _painted(pixels, ids, _shades(result.segments, colours, largest), alpha)
    edges = _borders(ids)
    size = max(11, min(26, round(min(height, width) / 26)))
    strip = _legend(result, _patches(painted, ids, edges, result.segments), (width, height), size) if legend else None
    painted[edges] = WHITE
    del edges
    _write_names(painted, result, ids, size)
    return painted if strip is None else np.concatenate([painted, np.asarray(strip)])


def _shades(segments: Iterable[SegmentInfo], colours: Mapping[str, RGB], largest: int) -> NDArray[np.float32]:
    """Return (ids, 3), the colour of each segment; the instances of a class have shades of its colour."""
    lookup = np.zeros((largest + 1, 3), dtype=np.float32)
    used_shades: Counter[str] = Counter()
    for segment in segments:
        lookup[segment.id] = shade(colours[segment.class_name], used_shades[segment.class_name])
        used_shades[segment.class_name] += 1
    return lookup


def _painted(
    pixels: NDArray[np.uint8], ids: NDArray[np.int32], shades: NDArray[np.float32], alpha: float
) -> NDArray[np.uint8]:
    grey = np.empty(ids.shape, dtype=np.uint8)
    for rows in row_bands(ids.shape):
        grey[rows] = np.asarray(Image.fromarray(pixels[rows]).convert("L"))
    means = label_sums(ids, grey, len(shades)) / label_counts(ids, len(shades)).clip(min=1)
    painted = pixels.copy()
    for rows in row_bands(ids.shape):
        detail = (1 - alpha) * (grey[rows] - means.astype(np.float32)[ids[rows]])  # of mean 0 in each segment
        coloured = (shades[ids[rows]] + detail[..., None]).round().clip(0, 255).astype(np.uint8)
        painted[rows] = np.where((ids[rows] > 0)[..., None], coloured, pixels[rows])
    return painted


def _borders(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the pixels whose right or lower neighbour belongs to another segment."""
    edge = np.zeros(ids.shape, dtype=bool)
    edge[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    edge[:-1] |= ids[:-1] != ids[1:]
    return edge


def _write_names(painted: NDArray[np.uint8], result: PanopticSegmentation, ids: NDArray[np.int32], size: int) -> None:
    """Write the names, the largest first, at the deepest point of each segment; a name that would hide another is left
    out.
    """
    draw, font = ImageDraw.Draw(Image.new("RGB", (1, 1))), ImageFont.load_default(size)  # which measures only
    occupied: list[Box] = []
    (height, width), slices = ids.shape, ndimage.find_objects(ids)
    for segment in sorted(result.segments, key=lambda each: -each.area):
        where = slices[segment.id - 1] if segment.id <= len(slices) else None
        if where is None or segment.area < 6 * size * size:
            continue
        x, y = _deepest(ids[where] == segment.id)
        centre = (x + where[1].start, y + where[0].start)
        name = one_line(segment.class_name)
        box = _kept_inside(draw.textbbox(centre, name, font, anchor="mm"), (width, height))
        if any(_overlap(box, name_box) for name_box in occupied):
            continue
        occupied.append(box)
        _write_name(painted, name, box, font, size)


def _write_name(painted: NDArray[np.uint8], name: str, box: Box, font: Font, size: int) -> None:
    """Write a name in the middle of a box: only the rows around it become a picture of Pillow's, a copy."""
    rows = slice(max(0, int(box[1]) - size), int(box[3]) + 1 + size)
    sheet, middle = Image.fromarray(painted[rows]), ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2 - rows.start)
    ImageDraw.Draw(sheet).text(
        middle, name, WHITE, font, anchor="mm", stroke_width=max(2, size // 8), stroke_fill=BLACK
    )
    painted[rows] = np.asarray(sheet)


def _deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return (x, y) of the pixel farthest from the mask's edge, on a coarse grid where the mask is large."""
    step = max(1, max(mask.shape) // 200)
    depth = ndimage.distance_transform_cdt(np.pad(mask[::step, ::step], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x) * step, int(y) * step


def _kept_inside(box: Box, size: tuple[int, int]) -> Box:
    dx = max(0.0, 3 - box[0]) - max(0.0, box[2] - (size[0] - 3))
    dy = max(0.0, 3 - box[1]) - max(0.0, box[3] - (size[1] - 3))
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _overlap(first: Box, second: Box) -> bool:
    return (
        first[0] < second[2] + 3 and second[0] < first[2] + 3 and first[1] < second[3] + 3 and second[1] < first[3] + 3
    )


def _patches(
    painted: NDArray[np.uint8], ids: NDArray[np.int32], edges: NDArray[np.bool_], segments: Iterable[SegmentInfo]
) -> dict[str, tuple[int, int, int]]:
    """Return each class's mean colour as painted, without borders, the largest class first."""
    classes = {name: number for number, name in enumerate(_areas(segments))}
    lookup = np.full(int(ids.max(initial=0)) + 1, len(classes), dtype=np.int32)
    for segment in segments:
        lookup[segment.id : segment.id + 1] = classes[segment.class_name]
    step = max(1, int((ids.size / SAMPLED) ** 0.5))
    sampled = np.where(edges[::step, ::step], np.int32(len(classes)), lookup[ids[::step, ::step]])
    means = _means(painted[::step, ::step], sampled, len(classes))
    rare = np.isnan(means[:, 0])  # classes of nothing but borders, or of very few pixels
    if rare.any():
        means[rare] = _means(painted, lookup[ids], len(classes))[rare]
    means = np.nan_to_num(means, nan=255.0).round().clip(0, 255)  # a segment without a pixel: white
    return {name: (int(means[n, 0]), int(means[n, 1]), int(means[n, 2])) for name, n in classes.items()}


def _means(painted: NDArray[np.uint8], groups: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return (count, 3), the mean colour of each group of pixels, NaN for an empty group; other groups are left out.

    groups: (H, W), those that are left out have `count`.
    """
    pixels = label_counts(groups, count + 1)[:count, None]
    sums = np.stack([label_sums(groups, painted[..., axis], count + 1)[:count] for axis in range(3)], axis=1)
    return np.where(pixels > 0, sums / pixels.clip(min=1), np.nan)


def _legend(
    result: PanopticSegmentation, patches: Mapping[str, tuple[int, int, int]], photo: tuple[int, int], size: int
) -> Image.Image:
    """A strip with a patch of colour, the name, the number of segments and the share of the photo of each class, in as
    many lines as needed, and how much is unlabelled. photo: (width, height)."""
    font, step, (width, height) = ImageFont.load_default(size), round(size * 1.6), photo
    counts, areas = Counter(segment.class_name for segment in result.segments), _areas(result.segments)
    texts = {}
    for name in patches:
        number = f" ({counts[name]})" if counts[name] > 1 else ""
        texts[name] = f"{one_line(name)}{number} {percent(areas[name] / (width * height))}"
    void = 1 - labelled_share(result)
    if void >= LEAST_VOID:
        texts[""] = f"unlabelled {percent(void)}"
    lines, x, row = [], 6.0, 0
    for name, text in texts.items():
        text = _fitted(text, font, width - size - 18)
        needed = size + 6 + font.getlength(text) + 14
        if x + needed > width and x > 6:
            x, row = 6.0, row + 1
        lines.append((x, row, name, text))
        x += needed
    strip = Image.new("RGB", (width, (row + 1) * step + 8 if lines else 0), WHITE)
    draw = ImageDraw.Draw(strip)
    for x, row, name, text in lines:
        y = 4 + row * step
        draw.rectangle((x, y + 3, x + size, y + 3 + size), fill=patches.get(name), outline=None if name else GREY)
        draw.text((x + size + 6, y + 3 + size / 2), text, BLACK, font, anchor="lm")
    return strip


def _fitted(text: str, font: Font, room: int) -> str:
    """Return the text, its middle left out where it is wider than `room` pixels."""
    length = font.getlength(text)
    return text if length <= room else shortened(text, max(4, int(len(text) * room / length)))


def _areas(segments: Iterable[SegmentInfo]) -> dict[str, int]:
    """Return the pixels of each class, the largest first."""
    areas: Counter[str] = Counter()
    for segment in segments:
        areas[segment.class_name] += segment.area
    return dict(areas.most_common())
