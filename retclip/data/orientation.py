"""EXIF orientation: what turns the pixels of a file upright, and where a place in them lies then."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)
SWAPPED = frozenset({5, 6, 7, 8})  # orientations in which width and height change places
TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
FROM_RIGHT, FROM_BELOW = frozenset({2, 3, 7, 8}), frozenset({3, 4, 6, 7})  # x, y are counted from the other side


def turned(array: NDArray[Sample], orientation: int) -> NDArray[Sample]:
    """Return an array (H, W, ...) as it lies in a file, turned upright; a view."""
    turn = TURNS.get(orientation)
    return array if turn is None else turn(array)


def turned_corner(x: float, y: float, size: tuple[int, int], orientation: int) -> tuple[float, float]:
    """Return the upright place of a corner between pixels.

    size: (H, W) as the pixels lie in the file.
    """
    x = size[1] - x if orientation in FROM_RIGHT else x
    y = size[0] - y if orientation in FROM_BELOW else y
    return (y, x) if orientation in SWAPPED else (x, y)


def turned_point(x: float, y: float, size: tuple[int, int], orientation: int) -> tuple[float, float]:
    """Return the upright place of a point on a pixel, which lies on the same pixel.

    size: (H, W) as the pixels lie in the file.
    """
    x = _mirrored(x, size[1]) if orientation in FROM_RIGHT else x
    y = _mirrored(y, size[0]) if orientation in FROM_BELOW else y
    return (y, x) if orientation in SWAPPED else (x, y)


def _mirrored(place: float, side: int) -> float:
    """Return a mirrored coordinate: a whole number is a pixel's own, a fraction lies within it."""
    pixel = math.floor(place)
    return side - 1 - pixel if place == pixel else side - place
