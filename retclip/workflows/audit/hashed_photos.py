"""The photos of a store with their perceptual hashes (`retclip.algorithms.photo_hash`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.photo_hash import BITS, SIDE, differing_bits, photo_hash
from retclip.data.images import read_image, resized
from retclip.errors import DataError
from retclip.progress import OnProgress, Progress
from retclip.store.feature_store import FeatureStore
from retclip.store.records import ListedPhoto

BLOCK = 512  # photos compared with all at once
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green, blue (ITU-R BT.601)


@dataclass
class HashedPhotos:
    """Photos with their hashes, and those of their mirror images.

    photos: n photos.
    plain, mirrored: n hashes, (128,) bool each.
    failed: photos that could not be read, or are no longer what they were.
    """

    photos: list[ListedPhoto] = field(default_factory=list)
    plain: list[NDArray[np.bool_]] = field(default_factory=list)
    mirrored: list[NDArray[np.bool_]] = field(default_factory=list)
    failed: int = 0

    def add(self, photo: ListedPhoto, pixels: NDArray[np.uint8]) -> None:
        """Hash a photo: (H, W, 3) RGB."""
        self.photos.append(photo)
        grey = resized(pixels, (SIDE, SIDE)).astype(np.float32) @ GREY  # (9, 9)
        self.plain.append(photo_hash(grey))
        self.mirrored.append(photo_hash(grey[:, ::-1]))


def alike_places(
    first: HashedPhotos, second: HashedPhotos, bits: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield, some at a time, which photos of each look alike: place in the first, in the second, bits in which they
    differ, whether one is the other's mirror image. bits: of 128 in which the hashes of two photos may differ."""
    if not first.photos or not second.photos:
        return
    others = np.stack(second.plain)
    for start in range(0, len(first.photos), BLOCK):
        rows = slice(start, start + BLOCK)
        plain = differing_bits(np.stack(first.plain[rows]), others)
        mirrored = differing_bits(np.stack(first.mirrored[rows]), others)
        fewest = np.minimum(plain, mirrored)
        near = np.nonzero(fewest <= min(bits, BITS))
        yield near[0] + start, near[1], fewest[near], (mirrored < plain)[near]


def hashed_photos(store: FeatureStore, on_progress: OnProgress) -> HashedPhotos:
    """Hash the store's photos where they still are what they were."""
    hashed, photos = HashedPhotos(), store.segments.photos()
    for number, photo in enumerate(photos):
        try:
            image = read_image(Path(photo.uri))
        except DataError:
            image = None
        if image is None or image.sha256 != photo.sha256:
            hashed.failed += 1
        else:
            hashed.add(photo, image.pixels)
        on_progress(Progress("hash the stored photos", number + 1, len(photos), hashed.failed))
    return hashed
