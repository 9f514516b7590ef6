"""How large what a file of others unpacks to may be. A few kilobytes can say that they are gigabytes.

The limits hold for the process, as the system's own do: `use` sets them where settings are applied, and whatever reads
a file asks `current` before it unpacks.
"""

from __future__ import annotations

from dataclasses import dataclass

from retclip.errors import DataError

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Limits:
    """What may be read. Sizes in bytes, of what comes out of a file, not of the file.

    image_pixels, image_side, image_aspect: of a photo, a label map or a mask.
    file_bytes: of an image file, also of one in a tar or Parquet file.
    text_bytes: of one image's caption or tags, and of one mask's run lengths.
    document_bytes: of a JSON document or a table.
    unpacked_bytes: of an evidence file, and of one column of a Parquet row group.
    """

    image_pixels: int = 50_000_000
    image_side: int = 16_384
    image_aspect: float = 50.0
    file_bytes: int = 64 * MIB
    text_bytes: int = MIB
    document_bytes: int = 2048 * MIB
    unpacked_bytes: int = 1024 * MIB


_current = Limits()


def current() -> Limits:
    """The limits of this process."""
    return _current


def use(limits: Limits) -> None:
    """Make these the limits of this process."""
    global _current
    _current = limits


def shown(size: int) -> str:
    """A size as people read it: "64 MiB", "1.5 GiB"."""
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


def check_size(size: int, most: int, subject: str, setting: str) -> None:
    """Check a size before so much is read. Raises DataError.

    size, most: bytes.
    subject: the thing of that size, for the error.
    setting: the setting that raises the limit.
    """
    if size > most:
        todo = f"leave it out, or raise {setting} where you trust the data"
        raise DataError(f"at most {shown(most)} of {subject}", shown(size), todo)
