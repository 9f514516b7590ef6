"""From an index's hits to the vocabulary's neighbours: one search, one SQL join, unknown and hidden ones dropped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.store.index.protocol import Hits, empty_hits
from retclip.store.index.sync import Projection
from retclip.store.sql import catalog
from retclip.store.sql.engine import read
from retclip.types import Neighbours


def nearest(
    projection: Projection, vectors: Tensor, store_classes: Sequence[int | None], k: int, per_class: bool
) -> Neighbours:
    """Find the nearest visible segments, see `FeatureStore.nearest`. A stored class counts for each vocabulary class
    that it matches."""
    categories = sorted({category for category in store_classes if category is not None})
    question = partial(catalog.supported_classes, category_ids=categories, space_id=projection.space_id)
    alive = read(projection.engine, question)
    supported = torch.tensor([category in alive for category in store_classes], dtype=torch.bool)
    hits = _search(projection, vectors, [category for category in categories if category in alive], k, per_class)
    found = {point_id.int: point_id for point_id in hits.ids.ravel().tolist() if point_id is not None}
    visible = read(projection.engine, partial(catalog.visible_classes, ids=list(found.values())))
    ids, classes, distances = _translate(hits, visible, store_classes)
    device = vectors.device
    return Neighbours(
        ids, torch.from_numpy(classes).to(device), torch.from_numpy(distances).to(device), supported.to(device)
    )


def nothing_near(vectors: Tensor, classes: int) -> Neighbours:
    """Make the answer of an empty store: no places, no class supported."""
    none = empty_hits(len(vectors), 0)
    near, far = (torch.from_numpy(array).to(vectors.device) for array in (none.classes, none.distances))
    return Neighbours(none.ids, near, far, torch.zeros(classes, dtype=torch.bool, device=vectors.device))


def _search(projection: Projection, vectors: Tensor, categories: Sequence[int], k: int, per_class: bool) -> Hits:
    k = min(k, projection.index.count())  # more cannot be found, and every place costs memory
    if not len(vectors) or not categories or not k:
        return empty_hits(len(vectors), k)
    if per_class:
        return projection.index.search_per_class(vectors, k, categories)
    return projection.index.search(vectors, k, categories)


def _translate(
    hits: Hits, visible: dict[UUID, int], store_classes: Sequence[int | None]
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.float32]]:
    """Translate hits into the vocabulary's class numbers, nearest first; a hit is repeated if two classes share its
    label. Ids are looked up as integers: a UUID is hashed and compared in Python, and there are thousands a photo."""
    meanings: dict[int, list[int]] = {}
    for index, category in enumerate(store_classes):
        if category is not None:
            meanings.setdefault(category, []).append(index)
    width = max((len(several) for several in meanings.values()), default=1)
    shape = (*hits.ids.shape, width)
    ids = np.full(shape, None, dtype=object)
    classes = np.full(shape, -1, dtype=np.int64)
    distances = np.full(shape, np.inf, dtype=np.float32)
    places = np.nonzero(np.isfinite(hits.distances))
    near, nothing = hits.ids[places], [-1] * width
    padded = {category: (several + nothing)[:width] for category, several in meanings.items()}
    meaning = {point_id.int: padded.get(category, nothing) for point_id, category in visible.items()}
    meant = np.array([meaning.get(point_id.int, nothing) for point_id in near.tolist()], dtype=np.int64)
    classes[places] = meant = meant.reshape(len(near), width)
    ids[places] = np.where(meant >= 0, near[:, None], np.array(None))
    distances[places] = np.where(meant >= 0, hits.distances[places][:, None], np.inf)
    flat = (len(ids), shape[1] * width)  # written out: -1 cannot be inferred where there are no masks
    return _nearest_first(ids.reshape(flat), classes.reshape(flat), distances.reshape(flat))


def _nearest_first(
    ids: NDArray[np.object_], classes: NDArray[np.int64], distances: NDArray[np.float32]
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.float32]]:
    order = np.argsort(distances, axis=1, kind="stable")
    return tuple(np.take_along_axis(array, order, axis=1) for array in (ids, classes, distances))  # type: ignore[return-value]
