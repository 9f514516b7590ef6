"""Mask pooling: dense features and masks to one vector per mask (paper, section 2.1; method.md 1.3).

    v[n] = sum over cells of w[n, cell] * F[:, cell] / sum over cells of w[n, cell]

where F is the feature grid and w[n, cell] the weight of a cell for mask n. Two rules give w. `area_weights` is the
exact share of the cell that the mask covers, so that no mask vanishes on a coarse grid. `fcclip_weights` is FC-CLIP's
rule (bilinear sampling, then > 0), kept for agreement: at stride 32 it loses 94 % of 8-pixel squares (method.md 1.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Bool, Float
from torch import Tensor

from retclip.algorithms.mask_frames import sampled
from retclip.algorithms.precision import at_least_float32
from retclip.types import MaskMap

SPARSE = 16  # so many times fewer weights than cells and masks: then a sparse product is the faster one


def area_weights(
    masks: Float[Tensor, "n y x"] | MaskMap,
    size: tuple[int, int],
    extent: tuple[float, float] = (1.0, 1.0),
    steps: int = 0,
) -> Float[Tensor, "n h w"]:
    """Return the share of each grid cell that each mask covers, in [0, 1], exact for any ratio of the two grids.

    masks: (n, y, x) in [0, 1], on any grid over the whole image; or a map of them, which takes one pass for all.
    size: (h, w) of the feature grid.
    extent: share of the feature grid's rows and columns that the image covers, in (0, 1]; cells beyond it are padding
    and get 0.
    steps: where above 0, mask pixels begin and end at multiples of 1/steps of a cell. With 256, and mask values in
    multiples of 1/256, every sum is exact in float32 and independent of the order of summation.

    Worked example: one row of masks (1, 0, 0) onto 2 cells; each cell is 1.5 mask pixels wide, so the first is covered
    by 1 / 1.5 = 2/3 and the second by 0.
    """
    if isinstance(masks, MaskMap):
        device, grid = masks.owners.device, masks.owners.shape
        return _map_weights(masks, *(side.to(device) for side in _overlaps(grid, size, extent, steps)))
    masks = at_least_float32(masks)
    grid = masks.shape[1:]
    whole = extent == (1.0, 1.0) and not any(fine % coarse for fine, coarse in zip(grid, size, strict=True))
    if whole and not steps and len(masks):
        return F.avg_pool2d(masks, (grid[0] // size[0], grid[1] // size[1]))  # every mask cell lies in one cell
    rows, columns = (side.to(masks) for side in _overlaps(grid, size, extent, steps))  # (h, y), (w, x)
    with torch.autocast(masks.device.type, enabled=False):
        return rows @ masks @ columns.T  # (h, y) (n, y, x) (x, w) -> (n, h, w)


def fcclip_weights(
    mask_logits: Float[Tensor, "n y x"], size: tuple[int, int], extent: tuple[float, float] = (1.0, 1.0)
) -> Float[Tensor, "n h w"]:
    """Return FC-CLIP's weights: logits sampled bilinearly (corners not aligned, no smoothing), 1 where above 0, else 0.

    mask_logits: (n, y, x) over the whole image.
    size: (h, w) of the feature grid.
    extent: as in `area_weights`; a cell whose centre lies in the padding gets 0.
    """
    if extent == (1.0, 1.0):
        resized = F.interpolate(mask_logits[:, None], size=size, mode="bilinear", align_corners=False)[
            :, 0
        ]  # (n, h, w)
        return (resized > 0).to(mask_logits.dtype)
    y, x = ((torch.arange(n) + 0.5).to(mask_logits) / n / share for n, share in zip(size, extent, strict=True))
    inside = (y < 1)[:, None] & (x < 1)  # (h, w)
    return ((sampled(mask_logits, y * 2 - 1, x * 2 - 1) > 0) & inside).to(mask_logits.dtype)  # (n, h, w)


def mask_pooling(
    grid: Float[Tensor, "d h w"], weights: Float[Tensor, "n h w"], eps: float = 0.0
) -> tuple[Float[Tensor, "n d"], Bool[Tensor, "n"]]:
    """Return v (n, d) and whether each mask covers any cell (n,); the vector of an uncovered mask is 0.

    Sums are taken in float32 at least: thousands of cells in half precision lose the difference between two classes.

    grid: (d, h, w) dense features.
    weights: (n, h, w), not negative.
    eps: added to the divisor; FC-CLIP has 1e-8.
    """
    cells, shares = at_least_float32(grid).flatten(1).T, at_least_float32(weights).flatten(1)  # (h * w, d), (n, h * w)
    totals = shares.sum(dim=1)  # (n,)
    covered = totals > 0  # (n,)
    with torch.autocast(grid.device.type, enabled=False):
        sums = _product(shares.to(cells.dtype), cells)  # (n, d)
    divisor = torch.where(covered, totals + eps, torch.ones_like(totals)).to(cells.dtype)  # (n,)
    return sums / divisor[:, None], covered


def _product(shares: Float[Tensor, "n m"], cells: Float[Tensor, "m d"]) -> Float[Tensor, "n d"]:
    """Return shares @ cells; on a CPU without the zeros where there are few others, as of masks that part a photo."""
    if shares.device.type == "cpu" and shares.count_nonzero() * SPARSE < shares.numel():
        product: Tensor = torch.sparse.mm(shares.to_sparse(), cells)
        return product
    return shares @ cells


def _map_weights(masks: MaskMap, rows: Float[Tensor, "h y"], columns: Float[Tensor, "w x"]) -> Float[Tensor, "n h w"]:
    """Return `area_weights` of a map: every pair of a feature cell and a mask cell that overlap counts once."""
    (h, y), (w, x) = rows.nonzero(as_tuple=True), columns.nonzero(as_tuple=True)  # (a,) each, (b,) each
    cells, shape = len(rows) * len(columns), (masks.count + 1, len(rows), len(columns))
    place = (masks.owners[y][:, x] + 1) * cells + h[:, None] * len(columns) + w  # (a, b)
    shares = rows[h, y][:, None] * columns[w, x]  # (a, b) float64
    return torch.bincount(place.flatten(), shares.flatten(), minlength=cells * shape[0]).view(shape)[1:].float()


def _overlaps(
    grid: Sequence[int], size: tuple[int, int], extent: tuple[float, float], steps: int
) -> tuple[Float[Tensor, "h y"], Float[Tensor, "w x"]]:
    """Return `_overlap` of the rows and of the columns."""
    rows, columns = (_overlap(*sides, steps) for sides in zip(grid, size, extent, strict=True))
    return rows, columns


def _overlap(fine: int, coarse: int, extent: float, steps: int) -> Float[Tensor, "coarse fine"]:
    """Return the share of each coarse cell that each fine cell fills, along one axis; rows sum to 1 inside the image.

    Edges are in units of coarse cells and float64, so that equal edges coincide up to 1e-9.
    """
    edges = torch.arange(fine + 1, dtype=torch.float64) * (extent * coarse / fine)  # (fine + 1,)
    if steps:
        edges = torch.round(edges * steps) / steps
    cell = torch.arange(coarse, dtype=torch.float64)[:, None]  # (coarse, 1)
    shares = (torch.minimum(edges[1:], cell + 1) - torch.maximum(edges[:-1], cell)).clamp(min=0)  # (coarse, fine)
    return torch.where(shares > 1e-9, shares, torch.zeros_like(shares))  # rounding must not cover a neighbour's cell
