"""The object in a PNG that somebody drew: whatever is not 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data.file_bytes import ReadOnce
from retclip.data.images import read_png
from retclip.errors import DataError

SIGNATURE, CHUNK = 8, 12  # bytes of a PNG's beginning; of a chunk beside its content: length, name, checksum


def drawn_mask(file: Path | ReadOnce) -> NDArray[np.bool_]:
    """Return (H, W) bool, True where the PNG is not 0: the index of a palette's colour, any channel of other colours.

    Raises DataError where transparency may say another thing than colours, and for a palette in which 0 is not black
    and another index is: programs that pack PNGs number colours anew, and indices say the contrary of what is seen.
    """
    once = file if isinstance(file, ReadOnce) else ReadOnce(file)
    samples, chunks = read_png(once), _chunks(once.content)
    mask = np.asarray(samples.any(axis=2) if samples.ndim == 3 else samples != 0, dtype=np.bool_)
    has_alpha = samples.ndim == 3 and samples.shape[2] == 4
    if has_alpha or (b"tRNS" in chunks and (_transparent(samples, chunks) & mask).any()):
        got = "four channels" if has_alpha else "a colour that is not 0 and transparent"
        raise DataError(f"a mask without transparency: {file}", got, "save it as grey, palette or RGB")
    if samples.ndim == 2 and b"PLTE" in chunks:
        _check_palette(samples, np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3), mask, file)
    return mask


def _transparent(samples: NDArray[np.uint8], chunks: Mapping[bytes, bytes]) -> NDArray[np.bool_]:
    """Return (H, W) bool, where a PNG without a channel of transparency is transparent."""
    said = chunks[b"tRNS"]
    if samples.ndim == 2 and b"PLTE" in chunks:  # a byte for each of the first colours
        return np.isin(samples, [index for index, alpha in enumerate(said) if alpha == 0])
    colour = np.frombuffer(said, ">u2")
    return np.asarray((samples == colour).all(axis=2) if samples.ndim == 3 else samples == colour, dtype=np.bool_)


def _check_palette(
    indices: NDArray[np.uint8], palette: NDArray[np.uint8], mask: NDArray[np.bool_], file: Path | ReadOnce
) -> None:
    """Check that where some indices are black and others are not, the black ones are 0. Raises DataError."""
    is_bright = np.zeros(256, np.bool_)
    is_bright[: len(palette)] = palette.any(axis=1)
    seen = is_bright[indices]  # (H, W)
    if seen.any() and not seen.all() and (seen != mask).any():
        got = f"a palette in which 0 is {tuple(palette[0].tolist())} and another index is black"
        raise DataError(f"0 beside the object in the mask {file}", got, "save it as grey, 0 beside the object")


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """Return what stands before the pixels of a PNG that was read, by the names of its chunks."""
    chunks, at = dict[bytes, bytes](), SIGNATURE
    while (name := content[at + 4 : at + 8]) not in (b"IDAT", b""):
        length = int.from_bytes(content[at : at + 4], "big")
        chunks[name] = content[at + 8 : at + 8 + length]
        at += CHUNK + length
    return chunks
