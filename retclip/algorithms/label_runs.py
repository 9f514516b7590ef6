"""Label maps as runs of equal pixels, and how many pixels the segments of two maps share.

Maps are made of areas, so they have a hundred times fewer runs than pixels: areas and overlaps are counted over runs. A
run goes on from the end of a row into the next one; where two runs beside each other have one id nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FEW = 1 << 20  # pairs of segments that a table holds
BLOCK = 1 << 18  # values that are compared at a time: they and the answer fit into a processor's cache


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """A label map of r runs.

    begins: (r,) int64, the first pixel of each, in rows from the upper left, rising from 0.
    ids: (r,) int64, 0 = void.
    shape: (H, W).
    """

    begins: NDArray[np.int64]
    ids: NDArray[np.int64]
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """Pixels."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(r,) int64 pixels of each run."""
        return _lengths(self.begins, self.size)

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """(v,) int64, the different ids, rising."""
        ordered = np.sort(self.ids)
        return ordered[_firsts(ordered)]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """(r,) int64, each run's place in `values`."""
        return np.searchsorted(self.values, self.ids)

    @cached_property
    def areas(self) -> dict[int, int]:
        """Pixels of each id, 0 left out."""
        pixels = np.bincount(self.places, weights=self.lengths)  # exact below 2**53
        counted = zip(self.values.tolist(), pixels.astype(np.int64).tolist(), strict=True)
        return {i: area for i, area in counted if i}

    def replaced(self, values: dict[int, int], other: int = 0) -> NDArray[np.int64]:
        """Return (H, W) int64 with a value in the place of each id. other: the value of every other id."""
        of_id = np.array([values.get(i, other) for i in self.values.tolist()], dtype=np.int64)
        return np.repeat(of_id[self.places], self.lengths).reshape(self.shape)


def runs_of_map(label_map: NDArray[np.int32]) -> LabelRuns:
    """Return the runs of a label map. label_map: (H, W) int32 ids, 0 = void."""
    flat = label_map.ravel()
    begins = _with_first(_changes(flat, 1), flat.size)
    return LabelRuns(begins, flat[begins].astype(np.int64), label_map.shape)


def runs_of_colours(colours: NDArray[np.uint8]) -> LabelRuns:
    """Return the runs of a map whose ids are colours, R + 256 G + 65536 B. colours: (H, W, 3) uint8."""
    samples = np.ascontiguousarray(colours).reshape(-1)
    places = _changes(samples, 3) // 3  # a pixel up to three times, a channel each
    begins = _with_first(places[_firsts(places)], samples.size // 3)
    red, green, blue = (samples[begins * 3 + channel].astype(np.int64) for channel in range(3))
    return LabelRuns(begins, red | green << 8 | blue << 16, colours.shape[:2])


def label_overlaps(first: LabelRuns, second: LabelRuns) -> dict[tuple[int, int], int]:
    """Return the pixels of each pair (id of the first map, id of the second) that share any, void (0) included.

    The two have one shape.
    """
    begins = np.concatenate([first.begins, second.begins])
    order = np.argsort(begins, kind="stable")  # merges, as both rise
    of_first = order < len(first.begins)
    lengths = _lengths(begins[order], first.size)
    some = lengths.nonzero()[0]  # where both maps begin a run at one pixel, one of the two is empty
    rows = first.places[np.cumsum(of_first)[some] - 1]
    columns = second.places[np.cumsum(~of_first)[some] - 1]
    keys, pixels = _counted(rows * len(second.values) + columns, lengths[some])
    if not len(keys):
        return {}
    pairs = zip(
        first.values[keys // len(second.values)].tolist(),
        second.values[keys % len(second.values)].tolist(),
        strict=True,
    )
    return dict(zip(pairs, pixels.tolist(), strict=True))


def _changes(values: NDArray[np.int32] | NDArray[np.uint8], step: int) -> NDArray[np.int64]:
    """Return the places that differ from the one `step` before, rising; block by block, which makes no large array."""
    blocks = range(step, values.size, BLOCK)
    changes = [
        (values[begin : begin + BLOCK] != values[begin - step : begin - step + BLOCK][: values.size - begin]).nonzero()[
            0
        ]
        + begin
        for begin in blocks
    ]
    return np.concatenate(changes) if changes else np.zeros(0, dtype=np.int64)


def _with_first(begins: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(min(size, 1), dtype=np.int64), begins])


def _lengths(begins: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    lengths = np.empty_like(begins)
    np.subtract(begins[1:], begins[:-1], out=lengths[:-1])
    lengths[-1:] = size - begins[-1:]
    return lengths


def _firsts(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) whether a value is the first of its equals. ordered: (n,) rising."""
    firsts = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=firsts[1:])
    return firsts


def _counted(keys: NDArray[np.int64], pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different keys, rising, and the pixels of each."""
    if not len(keys):
        return keys, pixels
    if keys.max() < FEW:
        sums = np.bincount(keys, weights=pixels).astype(np.int64)  # exact below 2**53
        present = sums.nonzero()[0]
        return present, sums[present]
    order = np.argsort(keys)  # maps of a hundred thousand segments
    firsts = _firsts(keys[order]).nonzero()[0]
    return keys[order][firsts], np.add.reduceat(pixels[order], firsts)
