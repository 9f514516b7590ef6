"""How far the vectors of strips across a photo move where a part of the photo is inverted.

Trained or random, a network moves those strips most that lie where the photo changed; what is mirrored, transposed, cut
off, shifted or padded moves others. The long side of an elongated photo is what a deep network blurs least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.plugin.conformance.examples import inverted, quadrants
from retclip.plugin.contracts import Backbone
from retclip.types import DenseFeatures

STRIPS = 16  # across each side, at most; never thinner than a cell, for some pooling rules miss such masks
START, END, ALL, FIRST, LAST = "start", "end", "all", "first", "last"
QUARTER = 0.25  # of the long side, inverted at its start or its end
EDGE, EDGE_CELLS = 1 / 16, 1.5  # of the long side, and in cells: networks that subsample see no thinner edge
BESIDE_ALONE = 1e9  # what is said where nothing moves within the extent, and something beyond it
Moves = Mapping[str, tuple[Tensor, Tensor]]  # part of the photo -> moves of its rows and of its columns


@dataclass(frozen=True)
class Strips:
    """Masks of strips across a photo: rows, then columns.

    counts: of rows and of columns.
    """

    counts: tuple[int, int]

    @classmethod
    def of(cls, features: DenseFeatures) -> Strips:
        """Return strips that are no thinner than a cell of the grid."""
        rows, columns = (max(1, min(STRIPS, int(cells))) for cells in cells_of(features))
        return cls((rows, columns))

    @property
    def masks(self) -> Tensor:
        """(n, y, x) float of 0 and 1, n = rows + columns."""
        rows, columns = self.counts
        masks = torch.zeros(rows + columns, rows, columns)
        for row in range(rows):
            masks[row, row] = 1
        for column in range(columns):
            masks[rows + column, :, column] = 1
        return masks


@dataclass(frozen=True)
class Moved:
    """What moved in a photo.

    moves: by what is read: "vectors", "the grid", a level.
    cells: the photo's rows and columns of cells.
    beside: where all of the photo is inverted, the mean move of cells beyond the extent, over that of those within; 0
    where there are none.
    """

    moves: Mapping[str, Moves]
    cells: tuple[float, float]
    beside: float


def cells_of(features: DenseFeatures) -> tuple[float, float]:
    """Return how many rows and columns of the grid the photo covers."""
    rows, columns = (share * side for share, side in zip(features.extent, features.grid.shape[1:], strict=True))
    return rows, columns


def moved_in(backbone: Backbone, size: tuple[int, int], seed: int, axis: int) -> Moved:
    """Return what moves where each part of a photo is inverted.

    size: (H, W) of the photo.
    axis: 0 or 1, along which parts are inverted.
    """
    whole = quadrants(*size, seed)
    features = backbone.dense_features([whole])[0]
    strips, cells = Strips.of(features), cells_of(features)
    edge = max(EDGE, min(QUARTER, EDGE_CELLS / cells[axis]))
    parts = {START: (0, QUARTER), END: (1 - QUARTER, 1), ALL: (0, 1), FIRST: (0, edge), LAST: (1 - edge, 1)}
    before = _read(backbone, features, strips.masks)
    moves: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
    beside = 0.0
    for part, span in parts.items():
        other = backbone.dense_features([inverted(whole, axis, *span)])[0]
        after = _read(backbone, other, strips.masks)
        beside = _beside(features, other) if part == ALL else beside
        for name in before.keys() & after.keys():
            apart = (after[name] - before[name]).norm(dim=1)  # (n,)
            moves.setdefault(name, {})[part] = apart[: strips.counts[0]], apart[strips.counts[0] :]
    return Moved(moves, cells, beside)


def _beside(first: DenseFeatures, second: DenseFeatures) -> float:
    apart = (second.grid.double() - first.grid.double()).norm(dim=0).cpu()  # (h, w)
    within = area_weights(torch.ones(1, 1, 1), (apart.shape[0], apart.shape[1]), first.extent)[0]  # (h, w)
    means = [float((apart * weights).sum() / weights.sum().clamp(min=1e-9)) for weights in (1 - within, within)]
    return means[0] / means[1] if means[1] > 0 else float(means[0] > 0) * BESIDE_ALONE


def _read(backbone: Backbone, features: DenseFeatures, masks: Tensor) -> dict[str, Tensor]:
    """Return (n, d) float64 of the masks: their vectors, and the means of the grid and of each level under them.

    NaN where a mask covers no cell.
    """
    segments = backbone.segment_vectors(features, masks)
    vectors = segments.vectors.double().cpu()
    vectors[~segments.covered.cpu()] = torch.nan
    maps = {"the grid": features.grid, **{f"the level {name!r}": level for name, level in features.levels.items()}}
    return {"vectors": vectors, **{name: _means(values, masks, features.extent) for name, values in maps.items()}}


def _means(values: Tensor, masks: Tensor, extent: Sequence[float]) -> Tensor:
    grid = values.double().cpu()  # (d, h, w)
    weights = area_weights(masks.double(), (grid.shape[1], grid.shape[2]), (extent[0], extent[1]))
    means, covered = mask_pooling(grid, weights)
    means[~covered] = torch.nan
    return means
