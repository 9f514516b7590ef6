"""PNGs of 8-bit RGB, as panoptic maps are stored, decoded by `kornia_rs` where it is installed: seven times as fast as
Pillow does it. Whatever is unusual is left to Pillow, whose errors `retclip.data.images` explains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:  # an extra: `pip install "retclip[evaluation]"`
    from kornia_rs import io as decoder
except Exception:  # whatever a library built for another machine raises: Pillow decodes as well
    decoder: Any = None  # type: ignore[no-redef]

SIGNATURE, HEADER, HEADER_END = b"\x89PNG\r\n\x1a\n", b"IHDR", 33
PLAIN = b"\x08\x02\x00\x00\x00"  # 8 bits, RGB, deflate, the five filters, not interlaced
TRANSPARENT = b"tRNS"


def png_size(content: bytes) -> tuple[int, int] | None:
    """Return (W, H) of a file that begins as a PNG of plain 8-bit RGB; None for anything else."""
    if len(content) < HEADER_END or content[:8] != SIGNATURE or content[12:16] != HEADER or content[24:29] != PLAIN:
        return None
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def rgb_samples(content: bytes, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Return the samples of a plain RGB PNG, (H, W, 3) uint8; None where Pillow has to look at it.

    size: (W, H), which its header says and limits allow.
    """
    if decoder is None or TRANSPARENT in content:
        return None
    width, height = size
    try:
        samples = np.asarray(decoder.decode_image_png_u8(content, (height, width), "rgb"))
    except Exception:  # a damaged file, in the decoder's own kinds of errors
        return None
    return samples if samples.shape == (height, width, 3) and samples.dtype == np.uint8 else None
