"""Photos that show nearly the same as one group: frames of a film, copies. In trust they do not speak for each other.

Photos whose hashes differ in at most NEAR bits (`retclip.algorithms.photo_hash`), or whose mirror image's do, are of
one group, and so are photos that a chain of such pairs joins. A photo that is no longer there is a group by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from retclip.algorithms.photo_hash import NEAR
from retclip.progress import OnProgress, silent
from retclip.store.feature_store import FeatureStore
from retclip.workflows.audit.hashed_photos import HashedPhotos, alike_places, hashed_photos


@dataclass(frozen=True)
class PhotoGroups:
    """Groups of photos that show nearly the same.

    groups: by row of a photo the row of the first photo of its group; a photo that is not among them is alone.
    compared: photos that were read.
    gone: photos that were not where they had been, or were other ones.
    """

    groups: dict[int, int]
    compared: int
    gone: int

    def said(self) -> str:
        """Say what was grouped, and what could not be, in a sentence."""
        missing = f"; {self.gone} were not where they had been, and count each by itself" if self.gone else ""
        count = len(set(self.groups.values()))
        return f"{self.compared} photos are {count} groups of photos that show nearly the same{missing}"


def photo_groups(store: FeatureStore, bits: int = NEAR, on_progress: OnProgress = silent) -> PhotoGroups:
    """Read the store's photos and group those that show nearly the same.

    bits: of 128 in which the hashes of two photos may differ.
    """
    hashed = hashed_photos(store, on_progress)
    rows = np.array([photo.id for photo in hashed.photos], dtype=np.int64)
    groups = {}
    for places in _chains(hashed, bits):
        groups.update(dict.fromkeys(rows[places].tolist(), int(rows[places].min())))
    return PhotoGroups(groups, len(rows), hashed.failed)


def _chains(hashed: HashedPhotos, bits: int) -> list[NDArray[np.int64]]:
    """List the connected components of photos that look alike, as places."""
    count = len(hashed.photos)
    if not count:
        return []
    near = [places[:2] for places in alike_places(hashed, hashed, bits)]
    edges = tuple(np.concatenate(ends) for ends in zip(*near, strict=True))
    number, labels = connected_components(coo_array((np.ones(len(edges[0])), edges), shape=(count, count)), False)
    return [np.flatnonzero(labels == group) for group in range(number)]
