"""What stands where in a drawn scene: the landscape first, then things from far to near, then the light."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from retclip.types import PanopticSegmentation, SegmentInfo
from retclip_reference import textures, things
from retclip_reference.canvas import Canvas, Floats
from retclip_reference.textures import Rng

CLASSES: Mapping[str, bool] = {  # name: whether it is a thing
    **dict.fromkeys(["sky", "grass", "water", "sand", "road", "mountain", "snow", "brick wall"], False),
    **dict.fromkeys(["ball", "house", "tree", "car", "boat", "sun", "flower", "kite"], True),
}
SMALLEST = 24  # pixels: what is nearly hidden gets no segment, its pixels become void

Texture = Callable[[Rng, int, int], Floats]
TEXTURES: Mapping[str, Texture] = {
    name: getattr(textures, name.replace(" ", "_")) for name, is_thing in CLASSES.items() if not is_thing
}
Thing = Callable[[Canvas, Rng, float, float, float, int], None]
THINGS: Mapping[str, Thing] = {name: getattr(things, name) for name, is_thing in CLASSES.items() if is_thing}

# Bands from top to bottom: (stuff, where its upper edge lies at least and at most, how wavy that edge is).
LANDSCAPES: tuple[tuple[tuple[str, float, float, float], ...], ...] = (
    (("sky", 0.0, 0.0, 0.0), ("mountain", 0.22, 0.38, 0.12), ("grass", 0.46, 0.60, 0.03)),
    (("sky", 0.0, 0.0, 0.0), ("water", 0.34, 0.46, 0.0), ("sand", 0.60, 0.74, 0.04)),
    (("sky", 0.0, 0.0, 0.0), ("brick wall", 0.18, 0.34, 0.0), ("road", 0.58, 0.70, 0.0)),
    (("sky", 0.0, 0.0, 0.0), ("snow", 0.28, 0.40, 0.08), ("water", 0.52, 0.60, 0.0), ("grass", 0.74, 0.84, 0.02)),
)
# Things of each landscape: (name, at most how many, foot from, foot to, size from, size to), far to near.
GUESTS: tuple[tuple[tuple[str, int, float, float, float, float], ...], ...] = (
    (("sun", 1, 0.16, 0.24, 0.10, 0.16), ("kite", 1, 0.26, 0.42, 0.18, 0.28), ("house", 2, 0.62, 0.78, 0.20, 0.34),
     ("tree", 3, 0.64, 0.86, 0.28, 0.50), ("flower", 4, 0.84, 0.99, 0.12, 0.24), ("ball", 1, 0.80, 0.97, 0.10, 0.20)),
    (("sun", 1, 0.16, 0.26, 0.10, 0.18), ("kite", 2, 0.26, 0.50, 0.16, 0.30), ("boat", 3, 0.48, 0.66, 0.16, 0.36),
     ("ball", 2, 0.76, 0.98, 0.10, 0.24)),
    (("tree", 2, 0.60, 0.72, 0.34, 0.60), ("car", 3, 0.74, 0.97, 0.12, 0.22), ("ball", 1, 0.80, 0.98, 0.07, 0.14)),
    (("sun", 1, 0.14, 0.24, 0.09, 0.14), ("house", 1, 0.46, 0.51, 0.16, 0.24), ("boat", 2, 0.60, 0.76, 0.16, 0.32),
     ("tree", 2, 0.86, 1.00, 0.36, 0.60), ("flower", 3, 0.90, 1.00, 0.12, 0.22)),
)  # fmt: skip


def compose(rng: Rng, index: int, height: int, width: int) -> tuple[NDArray[np.uint8], PanopticSegmentation]:
    """A picture (H, W, 3) uint8 and its annotation; the landscapes take turns with `index`."""
    canvas = Canvas(height, width)
    names: list[str] = []
    kind = index % len(LANDSCAPES)
    for name, highest, lowest, waviness in LANDSCAPES[kind]:
        names.append(name)
        band = _below(rng, canvas, rng.uniform(highest, lowest), waviness)
        canvas.paint(band, TEXTURES[name](rng, height, width), len(names))
    _invite(rng, canvas, kind, names)
    return _lit(rng, canvas.pixels), _annotation(canvas.labels, names)


def _below(rng: Rng, canvas: Canvas, edge: float, waviness: float) -> Floats:
    """(H, W) 1 below a wavy edge, 0 above."""
    wave = textures.noise(rng, 1, canvas.width, 1, canvas.width / 4)[0] - 0.5
    edge_rows = (edge + 2 * waviness * wave) * canvas.height  # (W,)
    below: NDArray[np.bool_] = np.arange(canvas.height)[:, None] >= edge_rows
    return below.astype(np.float32)


def _invite(rng: Rng, canvas: Canvas, kind: int, names: list[str]) -> None:
    """Paint the things of one landscape, and append the name of each to `names`."""
    aspect = canvas.width / canvas.height
    margin = min(0.08, aspect / 2)  # a tall, narrow picture has room in its middle only
    for name, most, far, near, small, large in GUESTS[kind]:
        feet = np.sort(rng.uniform(far, near, int(rng.integers(0 if most < 3 else 1, most + 1))))
        for foot in feet:  # nearer things stand lower, and hide those behind
            names.append(name)
            size = rng.uniform(small, large) * (0.8 + 0.4 * (foot - far) / (near - far))
            THINGS[name](canvas, rng, rng.uniform(margin, aspect - margin), foot, size, len(names))


def _lit(rng: Rng, pixels: Floats) -> NDArray[np.uint8]:
    """The picture in this scene's light: brightness, tint, contrast, and a little grain of the sensor."""
    tint = rng.uniform(0.93, 1.07, 3).astype(np.float32)
    gamma, brightness = rng.uniform(0.85, 1.3), rng.uniform(0.75, 1.05)
    bright = pixels.clip(0, 1).astype(np.float64) ** gamma * brightness * tint  # float32 powers differ by processor
    grain = rng.normal(0, 0.012, pixels.shape)
    return ((bright + grain).clip(0, 1) * 255).round().astype(np.uint8)


def _annotation(labels: NDArray[np.int32], names: list[str]) -> PanopticSegmentation:
    areas = np.bincount(labels.ravel(), minlength=len(names) + 1)
    segments = tuple(
        SegmentInfo(id=number, class_name=name, is_thing=CLASSES[name], area=int(areas[number]))
        for number, name in enumerate(names, start=1)
        if areas[number] >= SMALLEST
    )
    kept = np.isin(labels, [segment.id for segment in segments])
    return PanopticSegmentation(np.where(kept, labels, 0).astype(np.int32), segments)
