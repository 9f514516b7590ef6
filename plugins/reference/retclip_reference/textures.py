"""What the stuff of a drawn scene is made of: (H, W, 3) float32 RGB in [0, 1], the size of the whole picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

Floats = NDArray[np.float32]
Rng = np.random.Generator


def noise(rng: Rng, height: int, width: int, down: float, across: float) -> Floats:
    """(H, W) float32 in [0, 1]: random values on a grid of down x across pixels, interpolated by cubic convolution."""
    rows, columns = int(np.ceil(height / down)) + 3, int(np.ceil(width / across)) + 3
    values = PILImage.fromarray(rng.random((rows, columns), dtype=np.float32))
    box = (1.0, 1.0, 1 + width / across, 1 + height / down)
    smooth = values.resize((width, height), PILImage.Resampling.BICUBIC, box=box)
    return np.asarray(smooth).clip(0, 1)


def mix(share: Floats, low: tuple[float, float, float], high: tuple[float, float, float]) -> Floats:
    """(H, W, 3): `low` where share is 0, `high` where it is 1."""
    start, end = np.array(low, np.float32), np.array(high, np.float32)
    mixed: Floats = start + share[..., None] * (end - start)
    return mixed


def sky(rng: Rng, height: int, width: int) -> Floats:
    """A gradient from blue (or the orange of an evening) to a pale horizon, with soft clouds."""
    top = (0.30, 0.52, 0.85) if rng.random() < 0.75 else (0.62, 0.48, 0.62)
    bottom = (0.75, 0.86, 0.96) if top[2] > 0.8 else (0.98, 0.76, 0.56)
    gradient = np.broadcast_to(np.linspace(0, 1.6, height, dtype=np.float32)[:, None], (height, width)).clip(0, 1)
    cloud = 0.6 * noise(rng, height, width, height / 8, width / 5) + 0.4 * noise(rng, height, width, 7, 15)
    cover = np.clip((cloud - rng.uniform(0.45, 0.65)) * 3, 0, 1).astype(np.float32)[..., None]
    painted: Floats = mix(gradient, top, bottom) * (1 - cover) + np.array([0.97, 0.97, 0.98], np.float32) * cover
    return painted


def grass(rng: Rng, height: int, width: int) -> Floats:
    """Upright blades over broad light and dark patches."""
    blades = 0.6 * noise(rng, height, width, 6, 1.5) + 0.4 * noise(rng, height, width, 22, 34)
    high = (0.52 + rng.uniform(-0.06, 0.14), 0.68, 0.26)
    return mix(blades, (0.14, 0.32, 0.10), high)


def water(rng: Rng, height: int, width: int) -> Floats:
    """Horizontal waves, longer and brighter towards the viewer."""
    swell = noise(rng, height, width, 3, 16) * 0.7 + noise(rng, height, width, 14, 50) * 0.3
    deep = (0.05, rng.uniform(0.25, 0.38), rng.uniform(0.42, 0.55))
    return mix(swell, deep, (0.42, 0.66, 0.78))


def sand(rng: Rng, height: int, width: int) -> Floats:
    """Fine grain over low dunes."""
    grain = 0.45 * rng.random((height, width), dtype=np.float32) + 0.55 * noise(rng, height, width, 14, 40)
    return mix(grain, (0.70, 0.58, 0.38), (0.94, 0.85, 0.64))


def road(rng: Rng, height: int, width: int) -> Floats:
    """Grey asphalt with grain and patches."""
    grain = 0.55 * rng.random((height, width), dtype=np.float32) + 0.45 * noise(rng, height, width, 20, 45)
    level = rng.uniform(-0.05, 0.07)
    return mix(grain, (0.25 + level,) * 3, (0.50 + level, 0.50 + level, 0.52 + level))


def mountain(rng: Rng, height: int, width: int) -> Floats:
    """Slanting ridges of grey-violet rock."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    folds = noise(rng, height, width, 26, 26)
    ridges = 0.5 + 0.5 * np.sin((x + 0.6 * y) / width * 55 + 9 * folds)
    share = (0.6 * ridges + 0.4 * noise(rng, height, width, 3, 3)).astype(np.float32)
    return mix(share, (0.30, 0.29, 0.36), (0.58, 0.55, 0.60))


def snow(rng: Rng, height: int, width: int) -> Floats:
    """White drifts with blue shade."""
    drift = 0.8 * noise(rng, height, width, 12, 46) + 0.2 * rng.random((height, width), dtype=np.float32)
    return mix(drift, (0.74, 0.81, 0.92), (0.98, 0.98, 1.0))


def brick_wall(rng: Rng, height: int, width: int) -> Floats:
    """Courses of bricks, every other one shifted by half a brick, each brick in its own shade."""
    tall = int(rng.integers(6, 10))
    long = round(tall * 2.3)
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    course = y // tall
    shifted = x + (course % 2) * (long // 2)
    shades = rng.random((height // tall + 1, (width + long) // long + 1)).astype(np.float32)
    face = mix(shades[course, shifted // long], (0.48, 0.20, 0.14), (0.72, 0.36, 0.26))
    mortar = ((y % tall == 0) | (shifted % long == 0))[..., None]
    face = np.where(mortar, np.array([0.78, 0.74, 0.68], np.float32), face)
    return face * (0.9 + 0.2 * noise(rng, height, width, 2, 2))[..., None]
