"""The input size of a network, from the size of a photo (method.md 1.1)."""

from __future__ import annotations


def target_size(size: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    """Return (h, w) with the shorter side `short`, unless the longer side would exceed `long`.

    size: (H, W) of the photo in pixels.
    short, long: pixels. Rounding is detectron2's, half up.

    Worked example: 180 x 320 with short 230, long 1333: the scale is 230/180, so 230 x 408.9 -> 230 x 409.
    """
    scale = min(short / min(size), long / max(size))
    height, width = (max(1, int(side * scale + 0.5)) for side in size)
    return height, width


def fitted_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return (h, w) with both sides rounded to the nearest multiple of `multiple` pixels, at least one multiple."""
    height, width = (max(1, round(side / multiple)) * multiple for side in size)
    return height, width
