"""The size at which a network looks at a photo (method.md 1.1)."""

from __future__ import annotations


def target_size(size: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    """(h, w) with the shorter side `short` unless the longer would pass `long`; detectron2's rounding, half up.

    Worked example: 180 x 320 with short 230, long 1333: the scale is 230/180, so 230 x 408.9 -> 230 x 409.
    """
    scale = min(short / min(size), long / max(size))
    height, width = (max(1, int(side * scale + 0.5)) for side in size)
    return height, width


def fitted_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Both sides to the nearest multiple, at least one."""
    height, width = (max(1, round(side / multiple)) * multiple for side in size)
    return height, width
