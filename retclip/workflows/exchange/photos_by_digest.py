"""Finds the photos of a class file among those that a user names, by the sha256 of their bytes.

Where they lie is the user's word alone: what a file of somebody else says of places is never opened.
"""

from __future__ import annotations

from collections.abc import Collection

from retclip.errors import DataError
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.progress import OnProgress, Progress
from retclip.workflows.building.units import storable

REPORT_EVERY = 50  # photos


def photos_by_digest(source: ImageSource, wanted: Collection[str], on_progress: OnProgress) -> dict[str, SourceImage]:
    """Return the records of the photos that are wanted, by sha256; one pass, which ends where all are found.

    wanted: sha256 of files.
    A photo that cannot be read is none of them.
    """
    photos: dict[str, SourceImage] = {}
    total = len(source)
    for number, record in enumerate(source.images(), 1):
        if len(photos) == len(wanted):
            break
        try:
            digest = record.file_digest()
        except DataError:
            continue
        if digest in wanted:
            photos.setdefault(digest, storable(record))
        if number % REPORT_EVERY == 0:
            on_progress(Progress("look for photos", number, total, note=f"{len(photos)} of {len(wanted)} found"))
    return photos
