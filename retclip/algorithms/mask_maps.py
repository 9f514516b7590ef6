"""A map of masks brought to the pixels of a photo: what `pixel_probabilities` gives each of its masks, in one pass.

Bilinear interpolation weighs the four cells around a pixel, so at most four masks have a probability there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from retclip.algorithms.mask_tiles import nearest_cells
from retclip.mask_proposals import NOBODY
from retclip.types import MaskMap

BAND = 1 << 17  # pixels looked at together: what is computed of them stays in a processor's cache


def owner_map(masks: MaskMap, size: tuple[int, int]) -> Int64[Tensor, "H W"]:
    """Return the mask of each pixel, the one whose probability there is above 0.5; -1 where there is none.

    size: (H, W) in pixels.
    """
    return torch.cat([torch.where(shares > 0.5, owners, -1).amax(dim=0) for owners, shares in map_bands(masks, size)])


def map_bands(masks: MaskMap, size: tuple[int, int]) -> Iterator[tuple[Int64[Tensor, "k h W"], Float[Tensor, "k h W"]]]:
    """Yield the masks that have a probability in each pixel, and these, band after band of a photo's rows.

    All other masks have 0 there. No mask stands twice at a pixel; -1 stands in its place, and where there is no mask,
    with a number that means nothing.

    size: (H, W) of the photo in pixels; k is 4 for the nearest cells, 1 where pixels are cells.

    Worked example: two cells side by side, of the masks 0 and 1, on four pixels: the first has mask 0 with 1, the
    second 0 with 0.75 and 1 with 0.25, the third 0 with 0.25 and 1 with 0.75, the last 1 with 1.
    """
    rows_together = max(1, BAND // size[1])
    if tuple(masks.owners.shape) == tuple(size):
        for owners in masks.owners.split(rows_together):
            yield owners[None], torch.ones(1, *owners.shape, device=owners.device)
        return
    (above, below, down), (left, right, across) = (
        nearest_cells(*sides) for sides in zip(masks.owners.shape, size, strict=True)
    )
    x1 = across.to(masks.owners.device)  # (W,)
    x0 = 1 - x1
    for rows in torch.arange(size[0]).split(rows_together):
        upper, lower = masks.owners[above[rows]], masks.owners[below[rows]]  # (h, x) each
        owners = torch.stack([upper[:, left], upper[:, right], lower[:, left], lower[:, right]])  # (4, h, W)
        y1 = down[rows].to(x1)[:, None]  # (h, 1)
        shares = torch.empty(owners.shape, device=x1.device)
        for corner, owner in enumerate(owners):
            a, b, c, d = (owners == owner).float()  # (h, W) each: where the other cells are of the same mask
            shares[corner] = (a * x0 + b * x1) * (1 - y1) + (c * x0 + d * x1) * y1
        for corner in (3, 2, 1):
            owners[corner].masked_fill_((owners[:corner] == owners[corner]).any(dim=0), NOBODY)
        yield owners, shares
