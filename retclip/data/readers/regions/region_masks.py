"""Masks as people draw them: a PNG for each photo, named like it, in which whatever is not 0 is the object.

    masks/fox.png for photos/fox.jpg, or beside the photo: fox_mask.png, fox.mask.png

One PNG is one object, however many parts it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.file_bytes import ReadOnce
from retclip.data.photo_files import composed, photos_in
from retclip.data.readers.regions.drawn_mask import drawn_mask
from retclip.errors import DataError
from retclip.passed_over import BAD_RECORDS, Tally

ENDS = ("_mask", ".mask")


def is_mask(file: Path) -> bool:
    """Return whether a file is named like the mask of a photo beside it."""
    return file.suffix.lower() == ".png" and file.stem.lower().endswith(ENDS)


def masks_of(photos: Sequence[Path], place: Path, tally: Tally) -> dict[Path, Path | DataError]:
    """Return each photo's PNG, or the error that it has none of its own.

    place: a folder of masks, or one PNG for one photo.
    tally: gets the masks without a photo.

    Raises DataError where no mask fits any photo.
    """
    if place.is_file():
        if len(photos) != 1:
            raise DataError(f"one photo for the mask {place}", f"{len(photos)} photos", "name a folder of masks")
        return {photos[0]: place}
    beside = any(photo.parent.resolve() == place.resolve() for photo in photos)
    owners, by_stem = Counter(composed(photo.stem) for photo in photos), _by_stem(place, beside)
    mask_of: dict[Path, Path | DataError] = {}
    for photo in photos:
        stem = composed(photo.stem)
        masks = by_stem.get(stem, [])
        name = f"{photo.stem}_mask.png" if beside else f"{photo.stem}.png"
        if owners[stem] > 1 and masks:
            got = f"{owners[stem]} named {photo.stem}"
            mask_of[photo] = DataError(f"photos of different names for the masks in {place}", got, "rename one")
        elif len(masks) > 1:
            both = " and ".join(mask.name for mask in masks)
            mask_of[photo] = DataError(f"one mask for {photo} in {place}", both, "remove one")
        elif masks and masks[0].suffix.lower() != ".png":
            mask_of[photo] = DataError(f"a PNG mask for {photo} in {place}", masks[0].name, "save it as a PNG")
        elif not masks:
            todo = f"add {name}, or leave it out"
            mask_of[photo] = DataError(f"a mask for each photo in {place}", f"none for {photo}", todo)
        else:
            mask_of[photo] = masks[0]
    if not any(isinstance(mask, Path) for mask in mask_of.values()):
        raise next(mask for mask in mask_of.values() if isinstance(mask, DataError))
    for mask in (
        path for stem, some in by_stem.items() if stem not in owners for path in some if path.suffix.lower() == ".png"
    ):
        error = DataError(f"a photo for each mask in {place}", f"none for {mask.name}", "name its photo, or move it")
        tally.fault(BAD_RECORDS, mask.name, str(mask), error)
    return mask_of


def _by_stem(place: Path, beside: bool) -> dict[str, list[Path]]:
    """Return the masks by the stem of the photo that they are named after.

    beside: whether photos lie there, too.
    """
    masks: dict[str, list[Path]] = {}
    for mask in _pictures(place):
        if not beside or is_mask(mask):
            stem = mask.stem[: -len(ENDS[0])] if is_mask(mask) else mask.stem
            masks.setdefault(composed(stem), []).append(mask)
    return masks


def read_object(file: Path | ReadOnce, photo: AnnotatedPhoto) -> NDArray[np.bool_]:
    """Return (H, W) bool, True where the PNG is not 0, in the frame of the photo's annotation. Raises DataError."""
    mask = drawn_mask(file)
    photo.require_fit(mask.shape, f"a mask of the photo's size {photo.size}: {file}", "match photo and mask")
    if not mask.any():
        raise DataError(f"an object in the mask {file}", "0 everywhere", "draw it in any other value, or remove it")
    return mask


def _pictures(folder: Path) -> list[Path]:
    try:
        pictures, _ = photos_in(folder)
    except OSError as error:
        raise DataError(f"a folder of masks, or a PNG: {folder}", str(error), "check the path") from error
    if not any(picture.suffix.lower() == ".png" for picture in pictures):
        raise DataError(f"PNG masks in {folder}", "none", "save each mask as a PNG named like its photo")
    return pictures
