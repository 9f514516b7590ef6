"""The segments of an open store, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.store.api.spaces import Spaces
from retclip.store.archive.shards import Archive
from retclip.store.classes import segment_edits
from retclip.store.records import (
    ClassCoverage,
    Edit,
    Export,
    ListedPhoto,
    ListedSegment,
    SegmentDetails,
    SegmentFilter,
    SegmentPage,
    StoredSegment,
    VectorMaker,
)
from retclip.store.segments import details, exported, filtering, listed, photos, spaces, stored_vectors
from retclip.store.sql import catalog
from retclip.store.sql.transactions import Transactions
from retclip.types import FeatureSpace


class Segments:
    """Segments of any status: retired and quarantined ones are found by their id, too."""

    def __init__(self, transactions: Transactions, archive: Archive, spaces: Spaces) -> None:
        self._catalog, self._archive, self._spaces = transactions, archive, spaces

    def get(self, ids: Sequence[UUID]) -> dict[UUID, StoredSegment]:
        """Read the records of segments; unknown ids are left out."""
        return self._catalog.read(catalog.stored_segments, ids)

    def mask(self, segment_id: UUID) -> tuple[bytes, int, int] | None:
        """Read a segment's mask: COCO compressed counts, image height, image width in pixels; None for an unknown
        one."""
        return self.masks([segment_id]).get(segment_id)

    def masks(self, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, int, int]]:
        """Read the masks of segments as `mask` does; unknown ids are left out."""
        return self._catalog.read(listed.masks, ids)

    def mask_boxes(self, ids: Sequence[UUID]) -> dict[UUID, tuple[int, ...]]:
        """Read the boxes of segments' masks, in pixels: (x, y, width, height, pixels of the mask, image width, image
        height); unknown ids are left out."""
        return self._catalog.read(listed.mask_boxes, ids)

    def details(self, segment_id: UUID) -> SegmentDetails | None:
        """Read everything that is known of a segment; None for an unknown one."""
        return self._catalog.read(details.details, segment_id)

    def vectors(self, ids: Sequence[UUID], space: FeatureSpace | None = None) -> dict[UUID, NDArray[np.float32]]:
        """Read the vectors of segments, (d,) float32 of unit length each; a segment without one is left out.

        space: None for the first build's.
        Raises StoreMissing for an empty store, SpaceMismatch, StoreDamaged.
        """
        space_id, stored = self._spaces.row_of(space)
        return self._catalog.read(stored_vectors.vectors_of, self._archive, ids, space_id, stored.dim)

    def listed(self, ids: Sequence[UUID]) -> list[ListedSegment]:
        """Read segments as lists show them, in the order of their ids; unknown ids are left out."""
        return self._catalog.read(listed.listed, ids)

    def select(self, chosen: SegmentFilter, limit: int, after: str | None = None) -> SegmentPage:
        """Select a page of segments, in the order in which they were stored.

        limit: segments of a page, at least 1.
        after: the cursor of the page before (`SegmentPage.next`), None for the first page.
        Raises ConfigError for a limit or a cursor that cannot be; DataError for a class, data set, image or run that
        the store does not have, and for unknown ids.
        """
        return self._catalog.read(filtering.select_page, chosen, limit, after)

    def count(self, chosen: SegmentFilter) -> int:
        """Count the segments that a filter selects. Raises DataError as `select`."""
        return self._catalog.read(filtering.count, chosen)

    def among(self, ids: Sequence[UUID], chosen: SegmentFilter) -> list[UUID]:
        """Return those of the ids that a filter selects, in their order. Raises DataError as `select`."""
        rows = self._catalog.read(filtering.selected_rows, chosen, ids)
        selected = set(self._catalog.read(catalog.point_ids, rows))
        return [one for one in ids if one in selected]

    def photos(self) -> list[ListedPhoto]:
        """List the photos with a visible segment, in the order in which they were stored."""
        return self._catalog.read(photos.listed_photos)

    def coverage(self) -> list[ClassCoverage]:
        """List every class with what stands behind it, those with the fewest images first."""
        return self._catalog.read(photos.coverage)

    def find(self, prefixes: Sequence[str]) -> list[UUID]:
        """Find segments by their ids or the beginnings of these, at least 8 hexadecimal digits.

        Raises DataError for a text that is none, an unknown id, and one that several segments share.
        """
        return self._catalog.read(filtering.find_ids, prefixes)

    def visible_by_class(self, without: Sequence[UUID] = (), without_runs: Sequence[int] = ()) -> dict[str, int]:
        """Count the visible segments of each class, by its name.

        without: segments that are not counted; without_runs: runs whose segments are not.
        """
        return self._catalog.read(catalog.visible_by_class, without, without_runs)

    def export(self, classes: Sequence[int], space_id: int) -> Export:
        """Tell all of the visible segments of classes that another store needs to take them over.

        classes: their rows.
        space_id: row of the space of the vectors.
        Raises StoreDamaged for a vector that is not what was stored.
        """
        return self._catalog.read(exported.export, self._archive, classes, space_id)

    def vector_makers(self, ids: Sequence[UUID], space: str) -> dict[UUID, VectorMaker]:
        """Find the runs that made the vectors of segments in a space; a segment without one there is left out.

        space: its fingerprint.
        """
        return self._catalog.read(spaces.vector_makers, ids, space)

    def relabel(self, ids: Sequence[UUID], name: str, actor: str, reason: str = "", new: bool = False) -> Edit:
        """Give segments another class, which outlives every rebuild; see `relabel_each`."""
        return self.relabel_each(dict.fromkeys(ids, name), actor, reason, new)

    def relabel_each(self, labels: Mapping[UUID, str], actor: str, reason: str = "", new: bool = False) -> Edit:
        """Give segments classes, each its own, in one event; they outlive every rebuild.

        labels: by segment the name of its class, or an alias.
        actor, reason: who says so, and why, for the event.
        new: make the classes that the store does not have.
        Raises DataError for unknown segments or classes.
        """
        return self._catalog.edit(segment_edits.relabel_each, labels, actor, reason, new)

    def quarantine(self, ids: Sequence[UUID], actor: str, reason: str = "") -> Edit:
        """Hide segments from every answer, whatever runs find. Raises DataError for unknown segments."""
        return self._catalog.edit(segment_edits.quarantine, ids, actor, reason)

    def reject(self, ids: Sequence[UUID], name: str, actor: str, holds: bool = True, reason: str = "") -> Edit:
        """Say that segments are not of a class: they are its negative examples, whatever their own label.

        name: of a class of the store.
        actor: who says so, for the event.
        holds: False takes what was said back.
        reason: why, in the actor's words.
        Raises DataError for an unknown segment or class, and where nothing changes.
        """
        return self._catalog.edit(segment_edits.reject, ids, name, actor, holds, reason)

    def rejected(self) -> dict[str, tuple[UUID, ...]]:
        """List the negative examples of each class, by its name: visible segments that were rejected for it."""
        return self._catalog.read(segment_edits.rejected)

    def release(self, ids: Sequence[UUID], actor: str, reason: str = "") -> Edit:
        """Let quarantined segments be found again. Raises DataError for unknown segments."""
        return self._catalog.edit(segment_edits.release, ids, actor, reason)

    def retire(self, ids: Sequence[UUID], actor: str, reason: str = "") -> Edit:
        """Take segments out, whatever runs find, until that is undone. Raises DataError for unknown segments."""
        return self._catalog.edit(segment_edits.retire, ids, actor, reason)
