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

from retclip.data.images import read_png
from retclip.errors import DataError

ENDS = ("_mask", ".mask")


def is_mask(file: Path) -> bool:
    """Whether a file is named like the mask of a photo beside it."""
    return file.suffix.lower() == ".png" and file.stem.lower().endswith(ENDS)


def masks_of(photos: Sequence[Path], place: Path) -> dict[Path, Path]:
    """photo -> its PNG. place: a folder of them, or one PNG for one photo. Raises DataError for a photo without a mask,
    a mask without a photo, or two that claim one."""
    if place.is_file():
        if len(photos) != 1:
            raise DataError(f"one photo for the mask {place}", f"{len(photos)} photos", "name a folder of masks")
        return {photos[0]: place}
    beside = any(photo.parent.resolve() == place.resolve() for photo in photos)
    same = next((stem for stem, count in Counter(photo.stem for photo in photos).items() if count > 1), None)
    if same is not None:
        raise DataError(f"photos of different names for the masks in {place}", f"two named {same}", "rename one")
    by_stem: dict[str, Path] = {}
    for mask in _pngs(place):
        if not beside or is_mask(mask):
            stem = mask.stem[: -len(ENDS[0])] if is_mask(mask) else mask.stem
            if stem in by_stem:
                raise DataError(
                    f"one mask for {stem} in {place}", f"{by_stem[stem].name} and {mask.name}", "remove one"
                )
            by_stem[stem] = mask
    found: dict[Path, Path] = {}
    for photo in photos:
        if photo.stem not in by_stem:
            name = f"{photo.stem}_mask.png" if beside else f"{photo.stem}.png"
            raise DataError(f"a mask for each photo in {place}", f"none for {photo}", f"add {name}, or leave it out")
        found[photo] = by_stem.pop(photo.stem)
    if by_stem:
        other = next(iter(by_stem.values()))
        raise DataError(
            f"a photo for each mask in {place}", f"none for {other.name}", "name its photo, too, or move it"
        )
    return found


def read_object(file: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) bool, where the PNG is not 0. size: (H, W) of the upright photo. Raises DataError."""
    samples = read_png(file)
    if samples.ndim == 3 and samples.shape[2] == 4:
        raise DataError(f"a mask without transparency: {file}", "four channels", "save it as grey, palette or RGB")
    mask = np.asarray(samples.any(axis=2) if samples.ndim == 3 else samples != 0, dtype=bool)
    if mask.shape != size:
        turned = "; the photo is turned by its EXIF data, so must be the mask" if mask.shape == size[::-1] else ""
        raise DataError(f"a mask of the photo's size {size}: {file}", f"{mask.shape}", f"match photo and mask{turned}")
    if not mask.any():
        raise DataError(f"an object in the mask {file}", "0 everywhere", "draw it in any other value, or remove it")
    return mask


def _pngs(folder: Path) -> list[Path]:
    try:
        found = sorted(one for one in folder.iterdir() if one.suffix.lower() == ".png" and one.name[0] != ".")
    except OSError as error:
        raise DataError(f"a folder of masks, or a PNG: {folder}", str(error), "check the path") from error
    if not found:
        raise DataError(f"PNG masks in {folder}", "none", "save each mask as a PNG named like its photo")
    return found
