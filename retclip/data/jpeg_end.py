"""JPEGs whose data end before their picture does, although a mark of the end follows: as a repaired download has it.

What the data lack a decoder leaves grey, without an error. A progressive JPEG that was cut is blurred instead, which
nobody can tell from a blurred photo.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image as Pillow

GREY = frozenset({127, 128})  # all coefficients 0; inks are counted from the other side
END, MORE = b"\xff\xd9", b"\x55\xaa" * 2048


def is_cut(content: bytes, image: Pillow.Image) -> bool:
    """Return whether a JPEG's last pixels are not its own: where they are grey, more data would change them.

    image: as decoded.
    """
    corner = image.getpixel((image.width - 1, image.height - 1))
    end = content.rfind(END)
    if end < 0 or not set(corner if isinstance(corner, tuple) else (corner,)) <= GREY:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged tags, as when it was decoded first
        longer = Pillow.open(io.BytesIO(content[:end] + MORE + content[end:]), formats=("JPEG",))
        return not np.array_equal(np.asarray(longer), np.asarray(image))
