"""The trust in the labels of an open store's segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from retclip.store.api.spaces import Spaces
from retclip.store.archive.shards import Archive
from retclip.store.history.rejections import not_of_own_class
from retclip.store.index import wanted_points
from retclip.store.records import JudgedLabel, JudgedSegments, TrustRow, TrustState
from retclip.store.segments import trust
from retclip.store.sql.transactions import Transactions
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    from retclip.types import Neighbours

SEARCHABLE = 0  # state of a point that a search may find


class Trust:
    """A trust belongs to a segment, a space and a revision of the segment; another revision has none until it is
    computed again. Methods take None for the first build's space, and raise StoreMissing for an empty store and
    SpaceMismatch for another one's space."""

    def __init__(self, transactions: Transactions, archive: Archive, spaces: Spaces) -> None:
        self._catalog, self._archive, self._spaces = transactions, archive, spaces

    def segments(self, space: FeatureSpace | None = None) -> JudgedSegments:
        """Read the visible segments of a space with their vectors, without those that were rejected for their own
        label. Raises StoreDamaged, too."""
        space_id, its_space = self._spaces.row_of(space)
        rejected = set(self._catalog.read(not_of_own_class))
        points, parts = list[wanted_points.WantedPoint](), [np.empty((0, its_space.dim), dtype=np.float32)]
        for page in wanted_points.all_points(self._catalog.engine, space_id):
            seen = [point for point in page if point.state == SEARCHABLE and point.segment_id not in rejected]
            points += seen
            parts.append(self._archive.vectors(seen, its_space.dim))
        values = [(one.segment_id, one.category_id, one.image_id, one.dataset_id, one.rev) for one in points]
        columns = np.array(values, dtype=np.int64).reshape(len(points), 5).T
        ids = tuple(point.point_id for point in points)
        return JudgedSegments(ids, columns[0], columns[1], columns[2], columns[3], columns[4], np.concatenate(parts))

    def kept(self, space: FeatureSpace | None = None) -> list[TrustRow]:
        """Read what was computed before, by ascending row of the segment."""
        return self._catalog.read(trust.kept, self._spaces.row_of(space)[0])

    def keep(self, rows: Sequence[TrustRow], gone: Iterable[int], space: FeatureSpace | None = None) -> None:
        """Write rows in the place of earlier ones.

        gone: segments, by row, whose trust is deleted.
        """
        self._catalog.write(trust.keep, self._spaces.row_of(space)[0], rows, list(gone))

    def state(self, space: FeatureSpace | None = None) -> TrustState:
        """Tell how far what was computed is from what is stored now."""
        return self._catalog.read(trust.state, self._spaces.row_of(space)[0])

    def values(self, ids: Sequence[UUID], space: FeatureSpace | None = None) -> dict[UUID, float]:
        """Map segments to their trust in [0, 1]; those without one at their present revision are left out."""
        return self._catalog.read(trust.values, ids, self._spaces.row_of(space)[0])

    def labels(self, space: FeatureSpace | None = None) -> list[JudgedLabel]:
        """List the visible segments that were judged at their present revision, the least trusted first."""
        return self._catalog.read(trust.judged_labels, self._spaces.row_of(space)[0])

    def of_neighbours(
        self, near: Neighbours, space: FeatureSpace | None, min_trust: float = 0.0, keep: bool = True
    ) -> Neighbours:
        """Return neighbours with the trust in their labels, nearest first.

        min_trust: without those that are trusted less; one without a trust stays.
        keep: False to return them without their trust.
        """
        import torch

        ids = list(dict.fromkeys(one for one in near.ids.ravel() if one is not None))
        known = self.values(ids, space)
        numbers = np.array([known.get(one, np.nan) for one in near.ids.ravel()], dtype=np.float32)
        trust = torch.from_numpy(numbers.reshape(near.ids.shape)).to(near.distances.device)
        gone = trust < min_trust  # not a number is never less
        order = torch.where(gone, torch.inf, near.distances).argsort(dim=1, stable=True)
        ids_left = near.ids.copy()
        ids_left[gone.cpu().numpy()] = None
        return replace(
            near,
            ids=np.take_along_axis(ids_left, order.cpu().numpy(), axis=1),
            classes=near.classes.masked_fill(gone, -1).gather(1, order),
            distances=near.distances.masked_fill(gone, torch.inf).gather(1, order),
            trust=trust.masked_fill(gone, torch.nan).gather(1, order) if keep else None,
        )
