"""What a person marks of an object, instead of painting its mask: a box around it, or points on it and beside it."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]  # x0, y0, x1, y1; x1 and y1 exclusive


@dataclass(frozen=True)
class Point:
    """x, y: pixels of the upright photo, x to the right, y down; the first pixel reaches from 0 to 1. positive: on the
    object, else beside it."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Region:
    """One object. It has a box of some area, a positive point, or both; all within the photo."""

    class_name: str
    box: Box | None = None
    points: tuple[Point, ...] = ()
