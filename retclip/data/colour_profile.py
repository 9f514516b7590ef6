"""The colour profile in a photo's file, and its pixels in sRGB, which networks were trained on and screens show.

Numbers of Display P3 or Adobe RGB taken for sRGB are paler than the photo. A profile that says sRGB in whatever words,
which is nearly every one that is not a phone's, costs nothing: what it makes of a grid of colours is looked at once.
"""

from __future__ import annotations

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}
STEPS = 9  # of each channel, in the grid of colours
SAME = 2  # of 255: profiles of sRGB by different makers differ by as much
log = logging.getLogger(__name__)


def in_srgb(image: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """Return a grey, RGB or CMYK picture as RGB: through its profile, plainly without one that can be used."""
    transform = _transform(profile, image.mode) if profile else None
    converted = None if transform is None else ImageCms.applyTransform(image, transform)
    if converted is not None:
        return converted
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


@lru_cache(maxsize=16)  # a folder of photos has few, and one of CMYK takes half a megabyte
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what brings a mode's pixels to sRGB; None where that changes nothing, or cannot be made."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        log.warning("its colour profile cannot be used (%s); plain conversion", error)
        return None
    colours = np.indices((STEPS,) * CHANNELS[mode]).reshape(CHANNELS[mode], -1).T * 255 // (STEPS - 1)  # (n, channels)
    grid = Pillow.frombytes(mode, (len(colours), 1), colours.astype(np.uint8).tobytes())
    plain, exact = np.asarray(grid.convert("RGB"), int), np.asarray(ImageCms.applyTransform(grid, transform), int)
    return None if np.abs(exact - plain).max() <= SAME else transform
