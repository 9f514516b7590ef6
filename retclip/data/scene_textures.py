"""What the stuff of a drawn scene is made of. A texture is (H, W, 3) float32 RGB in [0, 1], as large as the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

Floats = NDArray[np.float32]
Rng = np.random.Generator
Texture = Callable[[Rng, int, int], Floats]
Colour = tuple[float, float, float]


def noise(rng: Rng, height: int, width: int, down: float, across: float) -> Floats:
    """(H, W) float32 in [0, 1]: random values, a cell of down x across pixels each, smoothly interpolated."""
    rows, columns = int(height / down) + 2, int(width / across) + 2
    values = PILImage.fromarray(rng.random((rows, columns), dtype=np.float32))
    box = (0.0, 0.0, width / across, height / down)
    return np.asarray(values.resize((width, height), PILImage.Resampling.BICUBIC, box=box)).clip(0, 1)


def grain(rng: Rng, height: int, width: int) -> Floats:
    """(H, W) float32 in [0, 1]: every pixel for itself."""
    return rng.random((height, width), dtype=np.float32)


def between(share: Floats, low: Colour, high: Colour) -> Floats:
    """(H, W, 3): `low` where share is 0, `high` where it is 1."""
    start, end = np.array(low, np.float32), np.array(high, np.float32)
    return start + share[..., None] * (end - start)


def _sky(rng: Rng, height: int, width: int) -> Floats:
    fall = np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, axis=1)
    clear = between(fall, (0.25, 0.5, 0.85), (0.75, 0.87, 0.97))
    cloud = ((noise(rng, height, width, 20, 45) - rng.uniform(0.4, 0.7)) * 3).clip(0, 1)[..., None]
    painted: Floats = clear * (1 - cloud) + np.float32(0.97) * cloud
    return painted


def _grass(rng: Rng, height: int, width: int) -> Floats:
    blades = 0.6 * noise(rng, height, width, 7, 1.7) + 0.4 * noise(rng, height, width, 30, 30)
    return between(blades, (0.1, 0.3, 0.06), (0.5, 0.72, 0.25))


def _sand(rng: Rng, height: int, width: int) -> Floats:
    dunes = 0.5 * noise(rng, height, width, 10, 50) + 0.5 * grain(rng, height, width)
    return between(dunes, (0.68, 0.55, 0.35), (0.95, 0.86, 0.65))


def _water(rng: Rng, height: int, width: int) -> Floats:
    waves = 0.7 * noise(rng, height, width, 3, 18) + 0.3 * noise(rng, height, width, 15, 60)
    return between(waves, (0.03, 0.22, 0.42), (0.4, 0.68, 0.8))


def _snow(rng: Rng, height: int, width: int) -> Floats:
    drifts = 0.8 * noise(rng, height, width, 18, 55) + 0.2 * grain(rng, height, width)
    return between(drifts, (0.7, 0.78, 0.92), (0.99, 0.99, 1.0))


def _road(rng: Rng, height: int, width: int) -> Floats:
    asphalt = 0.6 * grain(rng, height, width) + 0.4 * noise(rng, height, width, 30, 50)
    return between(asphalt, (0.2, 0.2, 0.22), (0.46, 0.46, 0.48))


def _brick_wall(rng: Rng, height: int, width: int) -> Floats:
    tall = int(rng.integers(7, 12))
    face, joint = _courses(rng, height, width, tall, round(2.2 * tall), shift=0.5)
    bricks = between(face, (0.45, 0.17, 0.12), (0.74, 0.36, 0.25))
    return np.where(joint[..., None], np.array([0.78, 0.75, 0.7], np.float32), bricks)


def _wooden_floor(rng: Rng, height: int, width: int) -> Floats:
    tall = int(rng.integers(12, 18))
    face, joint = _courses(rng, height, width, tall, round(5 * tall), shift=0.37)
    fibre = 0.5 * face + 0.5 * noise(rng, height, width, 1.6, 26)
    return between(fibre, (0.38, 0.22, 0.1), (0.78, 0.55, 0.32)) * np.where(joint, 0.5, 1.0)[..., None].astype(
        np.float32
    )


def _hedge(rng: Rng, height: int, width: int) -> Floats:
    leaves = noise(rng, height, width, 4, 4) ** 2 * (0.6 + 0.4 * noise(rng, height, width, 25, 25))
    return between(leaves, (0.02, 0.14, 0.04), (0.4, 0.75, 0.35))


def _carpet(rng: Rng, height: int, width: int) -> Floats:
    y, x = np.mgrid[:height, :width]
    knots = (0.5 + 0.25 * (np.sin(x * 0.45) + np.sin(y * 0.45))).astype(np.float32)
    weave = 0.6 * knots + 0.4 * grain(rng, height, width)
    return between(weave, (0.32, 0.05, 0.12), (0.75, 0.25, 0.32))


def _tiled_floor(rng: Rng, height: int, width: int) -> Floats:
    side = int(rng.integers(16, 26))
    face, joint = _courses(rng, height, width, side, side, shift=0.0)
    y, x = np.mgrid[:height, :width]
    chequer = ((y // side + x // side) % 2).astype(np.float32)
    tiles = between(0.75 * chequer + 0.25 * face, (0.35, 0.45, 0.5), (0.92, 0.93, 0.9))
    return np.where(joint[..., None], np.array([0.25, 0.25, 0.27], np.float32), tiles)


def _gravel(rng: Rng, height: int, width: int) -> Floats:
    stones = noise(rng, height, width, 5, 5)
    edges = (np.abs(stones - 0.5) * 5).clip(0, 1)
    return between(edges * (0.5 + 0.5 * noise(rng, height, width, 9, 9)), (0.2, 0.18, 0.16), (0.78, 0.74, 0.68))


def _rock(rng: Rng, height: int, width: int) -> Floats:
    y, x = np.mgrid[:height, :width]
    folds = np.sin((x + 1.4 * y) * 0.09 + 9 * noise(rng, height, width, 35, 35))
    layers = (0.35 + 0.3 * folds + 0.35 * noise(rng, height, width, 4, 4)).clip(0, 1).astype(np.float32)
    return between(layers, (0.22, 0.2, 0.26), (0.6, 0.54, 0.52))


def _metal(rng: Rng, height: int, width: int) -> Floats:
    pitch = rng.uniform(9, 15)
    ribs = np.broadcast_to(0.5 + 0.5 * np.sin(np.arange(width) * 2 * np.pi / pitch), (height, width))
    return between(
        (0.8 * ribs + 0.2 * noise(rng, height, width, 50, 3)).astype(np.float32), (0.35, 0.4, 0.46), (0.9, 0.93, 0.96)
    )


def _courses(rng: Rng, height: int, width: int, tall: int, long: int, shift: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Rows of equal stones: each pixel's own stone's shade (H, W) in [0, 1], and whether it is a joint."""
    y, x = np.mgrid[:height, :width]
    course = y // tall
    along = x + (course * round(shift * long)) % long
    shades = rng.random((height // tall + 1, (width + long) // long + 1), dtype=np.float32)
    return shades[course, along // long], (y % tall == 0) | (along % long == 0)


TEXTURES: Mapping[str, Texture] = {
    "sky": _sky, "grass": _grass, "sand": _sand, "water": _water, "snow": _snow, "road": _road,
    "brick wall": _brick_wall, "wooden floor": _wooden_floor, "hedge": _hedge, "carpet": _carpet,
    "tiled floor": _tiled_floor, "gravel": _gravel, "rock": _rock, "metal": _metal,
}  # fmt: skip
