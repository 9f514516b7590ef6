"""The checks at the doors: of arrays axes, dtype kind and range, in the project's axis letters; of words the choice.

Axes everywhere: n segments, c classes, k neighbours, r text rows, d channels, H W image pixels, y x mask grid,
h w feature grid. The same letter in two arguments of one call means the same length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from retclip.errors import ConfigError, ShapeError


def check_shape(name: str, array: Any, axes: str, sizes: dict[str, int] | None = None) -> dict[str, int]:
    """Check that `array` has the axes named in `axes` and return the length of each.

    `axes` is letters and numbers parted by spaces, e.g. "n 3 H W". `sizes` holds lengths already known; it is not
    changed. Raises ShapeError naming the axes, what came, and what is wrong.
    """
    lengths = dict(sizes or {})
    letters = axes.split()
    shape = tuple(int(length) for length in array.shape)
    if len(shape) != len(letters):
        raise ShapeError(f"{name} with axes ({axes})", f"shape {shape}", f"give {len(letters)} axes")
    for letter, length in zip(letters, shape, strict=True):
        expected = int(letter) if letter.isdigit() else lengths.setdefault(letter, length)
        if length != expected:
            raise ShapeError(
                f"{name} with axes ({axes}) where {letter} is {expected}",
                f"shape {shape}",
                f"make axis {letter} of length {expected}",
            )
    return lengths


def check_range(name: str, array: Any, low: float, high: float, slack: float = 0.0) -> None:
    """Check that every value is finite and in [low, high], give or take `slack` for rounding; an empty array passes.
    Raises ShapeError."""
    count = array.numel() if hasattr(array, "numel") else array.size  # torch or numpy
    if count:
        smallest, largest = float(array.min()), float(array.max())
        if not (low - slack <= smallest and largest <= high + slack):  # also false for NaN
            raise ShapeError(
                f"{name} with finite values in [{low:g}, {high:g}]",
                f"values in [{smallest:g}, {largest:g}]",
                "clip or rescale the values, and look for NaN",
            )


def check_flags(name: str, array: Any) -> None:
    """Check that the dtype is bool: 0 and 1 of another dtype would be read as row numbers. Raises ShapeError."""
    if str(array.dtype).removeprefix("torch.") != "bool":
        raise ShapeError(f"{name} of dtype bool", f"{array.dtype}", "compare or cast to bool")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Check that a setting is one of the words it may be; nothing near them counts, lest another formula is computed
    than was asked for. Raises ConfigError."""
    words = tuple(choices)
    if value not in words:
        raise ConfigError(f"{name} to be one of {', '.join(words)}", repr(value), "choose one of these")
