"""A colour per class name: the same in every picture, whatever the list of classes."""

from __future__ import annotations

import colorsys
import hashlib

from retclip.names import name_key


def colour(name: str) -> tuple[int, int, int]:
    """RGB in 0..255, from the name alone: hue by hash, saturation and value in bands that stay apart from grey."""
    digest = hashlib.sha256(name_key(name).encode()).digest()
    hue = int.from_bytes(digest[:4], "big") / 2**32
    saturation = 0.60 + 0.35 * digest[4] / 255
    value = 0.70 + 0.28 * digest[5] / 255
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
