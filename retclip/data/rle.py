"""COCO run lengths: masks as text, in both directions, checked before the C decoder sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from retclip.algorithms.label_runs import runs_of_map
from retclip.errors import DataError
from retclip.limits import current

Box = tuple[int, int, int, int]
OUTLINE = 25  # the longest outline of a polygon is a photo's most pixels over this: it is drawn at five times its size


class MeasuredMask(NamedTuple):
    """A mask on a photo's pixels. area: in pixels; box: (x, y, width, height), all 0 where it is empty; counts: COCO's
    compressed text."""

    area: int
    box: Box
    counts: bytes


def encode(pixels: NDArray[np.bool_]) -> dict[str, Any]:
    """Return (H, W) bool as {"size": [H, W], "counts": text}, COCO's compressed form."""
    encoded = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def encode_map(owners: NDArray[np.int64], count: int) -> Iterator[MeasuredMask]:
    """Yield `count` masks that do not overlap, as `encode` and `measure` would, in one pass over all of them.

    owners: (H, W), the index of the mask that each pixel belongs to, -1 = none.
    """
    height, width = owners.shape
    runs = runs_of_map(np.ascontiguousarray(owners.T, dtype=np.int32))  # COCO goes column by column
    order = np.argsort(runs.ids, kind="stable")
    starts, ends = runs.begins[order], (runs.begins + runs.lengths)[order]
    bounds = np.searchsorted(runs.ids[order], np.arange(count + 1))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        edges = np.stack([starts[first:last], ends[first:last]], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=height * width)
        listed = {"size": [height, width], "counts": (counts if counts[-1] else counts[:-1]).tolist()}
        text = coco.frPyObjects(listed, height, width)["counts"]
        yield MeasuredMask(*_measured(starts[first:last], ends[first:last], height), text)


def decode(mask: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the mask (H, W) bool of compressed text or of a list of run lengths.

    Raises DataError where the runs do not fill exactly H * W pixels; the C decoder would read or write past its end.
    """
    (height, width), runs = _checked_runs(mask)
    values = np.arange(len(runs)) % 2 == 1  # runs of 0 and 1 in turn, 0 first, column by column
    return np.repeat(values, runs).reshape(width, height).T


def measure(mask: Mapping[str, Any]) -> tuple[int, Box]:
    """Return a mask's area in pixels and its box (x, y, width, height), all 0 for an empty mask; nothing is drawn.

    Raises as `decode`.
    """
    (height, _), runs = _checked_runs(mask)
    edges = np.cumsum(np.asarray(runs, dtype=np.int64))
    starts, ends = edges[:-1:2], edges[1::2]  # of the runs of 1, from pixel to pixel, column by column
    filled = ends > starts
    return _measured(starts[filled], ends[filled], height)


def _measured(starts: NDArray[np.int64], ends: NDArray[np.int64], height: int) -> tuple[int, Box]:
    """Return area and box of runs of pixels, none of them empty, in columns of that height."""
    if not len(ends):
        return 0, (0, 0, 0, 0)
    left, right = starts[0] // height, (ends[-1] - 1) // height
    wraps = (starts // height != (ends - 1) // height).any()  # a run over a column's end holds its last and first row
    top = 0 if wraps else (starts % height).min()
    bottom = height - 1 if wraps else ((ends - 1) % height).max()
    return int((ends - starts).sum()), (int(left), int(top), int(right - left + 1), int(bottom - top + 1))


def _checked_runs(mask: Mapping[str, Any]) -> tuple[tuple[int, int], list[int]]:
    """Return (H, W) and the run lengths that fill it. Raises DataError."""
    try:
        height, width = (int(side) for side in mask["size"])
        counts = mask["counts"]
        runs = [int(run) for run in counts] if isinstance(counts, list) else _runs(counts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _bad("size [H, W] and counts", f"{type(error).__name__}: {error}") from error
    most = current().image_pixels
    if height > most or width > most or height * width > most:
        raise _bad(f"at most {most} pixels", f"{height} x {width}")
    if height < 0 or width < 0 or any(run < 0 for run in runs) or sum(runs) != height * width:
        raise _bad(f"runs that fill {height} x {width} pixels", f"{len(runs)} runs over {sum(runs)} pixels")
    return (height, width), runs


def fill_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (H, W) bool, the union of polygons [x, y, x, y, ...] of at least three corners each, in pixels.

    The C code trusts the numbers: they must be finite and moderate.

    Raises DataError for an outline so long that it would fill the memory: the C code keeps every pixel of it.
    """
    most = current().image_pixels // OUTLINE
    for polygon in polygons:
        length = _outline(polygon)
        if length > most:
            raise _bad(f"an outline of at most {most} pixels", f"one of {length:.0f}")
    return decode(coco.merge(coco.frPyObjects(list(polygons), *size)))


def _outline(polygon: Sequence[float]) -> float:
    """Return the length of an outline in pixels, as the C code walks it: of both ways between corners the longer."""
    corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    return float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())


def _runs(counts: str | bytes) -> list[int]:
    """Return the run lengths of COCO's text: 5 bits a character, least first, bit 6 = more follows; from the fourth run
    on each is the difference to the run two before.
    """
    if not isinstance(counts, str | bytes):
        raise TypeError(f"counts are {type(counts).__name__}")
    text = counts.encode("ascii") if isinstance(counts, str) else bytes(counts)
    if len(text) > current().text_bytes:
        raise ValueError(f"{len(text)} bytes of text, more than {current().text_bytes} (limits.text_kib)")
    runs: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        more = True
        while more:
            if position >= len(text):
                raise ValueError("the text ends inside a number")
            digit = text[position] - 48
            if not 0 <= digit < 64 or shift > 60:  # more digits than any run has: the sum would take hours
                raise ValueError(f"character {text[position]} at {position}")
            value |= (digit & 31) << shift
            more, shift, position = bool(digit & 32), shift + 5, position + 1
            if not more and digit & 16:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _bad(expected: str, got: str) -> DataError:
    return DataError(f"a COCO mask with {expected}", got, "export the annotation again")
