"""Ward's merging of regions that touch (Ward, Hierarchical grouping to optimize an objective function, JASA 1963).

    d(a, b) = area(a) * area(b) / (area(a) + area(b)) * |mean(a) - mean(b)|^2

The pair of touching regions whose union has the least of it is merged, until none touch: the sum of squares within
regions grows by d each time.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def borders(regions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (e, 2) int64, each pair of regions with 4-neighbouring pixels once, the smaller number first.

    regions: (y, x) number of each pixel's region.
    """
    beside = np.stack([regions[:, :-1].ravel(), regions[:, 1:].ravel()], axis=1)
    below = np.stack([regions[:-1].ravel(), regions[1:].ravel()], axis=1)
    pairs = np.concatenate([beside, below])
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)  # (p, 2)
    count = int(regions.max()) + 1
    return np.stack(np.divmod(np.unique(pairs[:, 0] * count + pairs[:, 1]), count), axis=1)


def ward_tree(means: Floats, areas: Floats, touching: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n,) int64 the parent of each region of the tree, -1 = none: the m given ones, then each union.

    means: (m, d) of each region's pixels.
    areas: (m,) above 0.
    touching: (e, 2) pairs of regions.

    Worked example: three regions in a row, of area 1 and means 0, 1, 5. 0 and 1 cost 0.5, 1 and 2 cost 8: the parents
    are 3, 3, 4, 4, -1.
    """
    count = len(means)
    most = max(1, 2 * count - 1)
    mean, area = np.zeros((most, means.shape[1])), np.zeros(most)
    mean[:count], area[:count] = means, areas
    parents = np.full(most, -1, dtype=np.int64)
    around: list[set[int]] = [set() for _ in range(most)]  # the regions that touch a region
    for a, b in touching.tolist():
        around[a].add(b)
        around[b].add(a)
    costs = _costs(mean, area, touching[:, 0], touching[:, 1])
    queue = [(cost, a, b) for cost, (a, b) in zip(costs.tolist(), touching.tolist(), strict=True)]
    heapify(queue)
    union = count
    while queue:
        _, a, b = heappop(queue)
        if parents[a] >= 0 or parents[b] >= 0:  # merged with another meanwhile
            continue
        parents[a] = parents[b] = union
        area[union] = area[a] + area[b]
        mean[union] = (mean[a] * area[a] + mean[b] * area[b]) / area[union]
        around[union] = (around[a] | around[b]) - {a, b}
        neighbours = sorted(around[union])
        for other in neighbours:
            around[other] -= {a, b}
            around[other].add(union)
        costs = _costs(mean, area, np.full(len(neighbours), union), np.array(neighbours, dtype=np.int64))
        for cost, other in zip(costs.tolist(), neighbours, strict=True):
            heappush(queue, (cost, other, union))
        union += 1
    return parents[:union]


def without_smaller(parents: NDArray[np.int64], areas: Floats, smallest: float) -> NDArray[np.bool_]:
    """Return (n,) bool, the nodes that stay: those whose parent is at least so large, and those without one.

    So a region that is too small is not a mask of its own, but its smallest union that is large enough is a leaf.

    parents: (n,) of `ward_tree`.
    areas: (n,) of every node.
    """
    return np.where(parents >= 0, areas[parents] >= smallest, True)


def nearest_above(parents: NDArray[np.int64], stays: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (n,) for each node itself where it stays, else the nearest one above it that does.

    stays: (n,) bool, of `without_smaller`.

    Worked example: parents 2, 2, 3, -1 of which the last two stay: 2, 2, 2, 3.
    """
    nearest = np.arange(len(parents))
    for node in np.flatnonzero(~stays)[::-1]:  # a parent comes after its children: here it has its own
        nearest[node] = nearest[parents[node]]
    return nearest


def not_merged_first(parents: NDArray[np.int64], regions: int, most: int) -> NDArray[np.bool_]:
    """Return (n,) bool, the nodes that stay where a tree has at most so many leaves: those that the first merges left.

    The first merges are those that cost least, so that each leaf is a union of regions that look alike.

    parents: (n,) of `ward_tree`.
    regions: how many it began with.
    most: leaves, 1 or more; where regions do not touch there may be more.

    Worked example: of the parents 3, 3, 4, 4, -1 (three regions) with most = 2 nodes 2, 3 and 4 stay: 0 and 1 are one.
    """
    first = regions + max(0, regions - most)  # the first union that is no leaf
    return (parents < 0) | (parents >= first)


def _costs(mean: Floats, area: Floats, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    apart = ((mean[first] - mean[second]) ** 2).sum(axis=1)
    costs: Floats = area[first] * area[second] / (area[first] + area[second]) * apart
    return costs
