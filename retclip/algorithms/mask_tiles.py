"""Soft masks at the pixels of a photo, tile by tile, and the bounds between which a mask lies there.

What is interpolated lies between the least and the largest of the cells that it is interpolated from. So a look at the
cells behind a tile says which masks cannot matter there, before one of them is upsampled. Columns are interpolated
before rows, while there are few of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from retclip.types import MaskLogits

SIDE = 128  # pixels of a tile: what is computed of 100 masks there stays in a processor's cache
GPU_SIDE = 512  # larger where every call waits for the device
Sizes = tuple[tuple[int, int], ...]  # the steps of an axis: cells that are resized to so many pixels
Step = tuple[Tensor, Tensor, Tensor]  # of each pixel of a tile the two cells around it, and the share of the second


@dataclass(frozen=True, eq=False)
class MaskTile:
    """All masks at a rectangle of pixels.

    rows, columns: of the photo.
    cells: (n, y, x) those of the masks that the tile's pixels are interpolated from.
    row_steps, column_steps: how.
    is_logits: whether a sigmoid follows.
    """

    rows: slice
    columns: slice
    cells: Tensor
    row_steps: tuple[Step, ...]
    column_steps: tuple[Step, ...]
    is_logits: bool

    def bounds(self) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """Return the probabilities that no pixel of a mask is below, and above, but for rounding."""
        least, most = (bound.float() for bound in (self.cells.amin(dim=(1, 2)), self.cells.amax(dim=(1, 2))))
        return (least.sigmoid(), most.sigmoid()) if self.is_logits else (least, most)

    def probabilities(self, indices: Int64[Tensor, "m"]) -> Float[Tensor, "m h w"]:
        """Return what `pixel_probabilities` gives these masks here."""
        values = self.cells.index_select(0, indices).float()  # (m, y, x)
        if self.column_steps:  # columns are taken as rows, which are read at once
            values = _resized(values.transpose(1, 2).contiguous(), self.column_steps).transpose(1, 2).contiguous()
        values = _resized(values, self.row_steps)
        return values.sigmoid_() if self.is_logits else values


def mask_tiles(
    masks: Float[Tensor, "n y x"] | MaskLogits, size: tuple[int, int], side: int = SIDE
) -> Iterator[MaskTile]:
    """Yield the tiles of a photo, row by row. size: (H, W) of the photo in pixels; side: of a tile."""
    is_logits = isinstance(masks, MaskLogits)
    values = masks.values if isinstance(masks, MaskLogits) else masks
    side = side if values.device.type == "cpu" else max(side, GPU_SIDE)
    rows, columns = (
        _cuts(steps, pixels, side, values.device) for steps, pixels in zip(_steps(masks, size), size, strict=True)
    )
    for part, y, row_steps in rows:
        for across, x, column_steps in columns:
            yield MaskTile(part, across, values[:, y, x], row_steps, column_steps, is_logits)


def nearest_cells(cells: int, pixels: int) -> tuple[Int64[Tensor, "p"], Int64[Tensor, "p"], Float[Tensor, "p"]]:
    """Return the two cells that each pixel lies between, and the share of the second, rounded as torch does."""
    scale = torch.tensor(cells / pixels, dtype=torch.float32).double()
    place = ((torch.arange(pixels) + 0.5) * scale - 0.5).float().clamp(min=0)  # (p,)
    first = place.long()  # (p,)
    return first, (first + 1).clamp(max=cells - 1), place - first


def _steps(masks: Float[Tensor, "n y x"] | MaskLogits, size: tuple[int, int]) -> list[Sizes]:
    """Return the steps of rows and of columns; cells beyond those of a step are padding."""
    if isinstance(masks, MaskLogits):
        grid, frame, inner = masks.values.shape[1:], masks.frame, masks.inner
        return [((grid[axis], frame[axis]), (inner[axis], size[axis])) for axis in (0, 1)]
    return [((cells, pixels),) for cells, pixels in zip(masks.shape[1:], size, strict=True)]


def _cuts(steps: Sizes, pixels: int, side: int, device: torch.device) -> list[tuple[slice, slice, tuple[Step, ...]]]:
    """Return of each tile along an axis its pixels, the cells behind them, and the steps between the two."""
    whole = [nearest_cells(*step) for step in steps if step[0] != step[1]]
    return [_cut(slice(start, min(start + side, pixels)), whole, device) for start in range(0, pixels, side)]


def _cut(part: slice, whole: list[Step], device: torch.device) -> tuple[slice, slice, tuple[Step, ...]]:
    behind, steps = part, list[Step]()
    for first, second, share in reversed(whole):
        first, second, share = first[behind], second[behind], share[behind]
        behind = slice(int(first[0]), int(second[-1]) + 1)
        steps.append(((first - behind.start).to(device), (second - behind.start).to(device), share.to(device)))
    return part, behind, tuple(reversed(steps))


def _resized(values: Float[Tensor, "m y x"], steps: tuple[Step, ...]) -> Float[Tensor, "m h x"]:
    """Interpolate between rows, one operation at a time: fused ones round otherwise at the end of an array."""
    for first, second, share in steps:
        upper, lower = values.index_select(1, first), values.index_select(1, second)
        values = upper.mul_(1 - share[:, None]).add_(lower.mul_(share[:, None]))
    return values
