"""The feature spaces of a store: how complete each is, and the segments whose vector is missing in one.

A segment *lives* as long as an index should hold it: it and its class are not retired, its image is not being deleted.
In a space the vector of a living segment is stored, missing or waived. Rows of `feature_gap` waive it: the mask meets
no cell of that backbone, which no repetition changes; or the photo could not be used and a person accepted that. Both
belong to a mask: another mask in the slot begins anew. A space without a missing vector is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, func, or_, select

from retclip.errors import SpaceMismatch
from retclip.store.records import SpaceState, StoredMask, StoredPhoto, VectorMaker
from retclip.store.segments.space_words import described, differences, settings_to_repeat
from retclip.store.sql.catalog import PAGE, its_mask, its_vector, joined, living, rows_in
from retclip.store.sql.tables import (
    Category,
    FeatureGap,
    ImageRow,
    Mask,
    Run,
    Segment,
    SegmentFeature,
    Shard,
    Space,
    Unit,
)
from retclip.store.states import CLASS_FILE, GapReason
from retclip.store.work import ledger
from retclip.store.work.outbox import pending_count
from retclip.types import FeatureSpace


def states(connection: Connection) -> list[SpaceState]:
    """List the state of every space, the oldest first."""
    return [state_of(connection, space_id, space) for space_id, space in ledger.spaces(connection)]


def state_of(connection: Connection, space_id: int, space: FeatureSpace) -> SpaceState:
    """Count the living segments of a space with a stored, missing and waived vector."""
    gap = and_(SegmentFeature.segment_id.is_(None), FeatureGap.segment_id.is_not(None))
    columns = (func.count(), func.count(SegmentFeature.segment_id), func.count(FeatureGap.segment_id).filter(gap))
    total, with_vector, waived = connection.execute(_living(space_id, *columns)).one()
    version_id, index = ledger.active_version(connection, space_id) or (0, "")
    return SpaceState(
        space, with_vector, total - with_vector - waived, waived, index, pending_count(connection, version_id)
    )


def photos_missing_vectors(connection: Connection, space_id: int, after: int, limit: int = PAGE) -> list[StoredPhoto]:
    """List images with a segment whose vector is missing, by ascending row.

    after: the last row of the page before.
    limit: images at most.
    """
    query = _missing_vectors(space_id, Segment.image_id).where(Segment.image_id > after).distinct()
    ids = list(connection.execute(query.order_by(Segment.image_id).limit(limit)).scalars())
    columns = (ImageRow.id, ImageRow.sha256, ImageRow.external_id, ImageRow.uri, ImageRow.height, ImageRow.width)
    rows = rows_in(connection, select(*columns).order_by(ImageRow.id), ImageRow.id, ids)
    return [StoredPhoto(row[0], row[1], row[2], row[3], (row[4], row[5])) for row in rows]


def count_photos_missing_vectors(connection: Connection, space_id: int) -> int:
    """Count the images with a segment whose vector is missing."""
    return int(connection.execute(_missing_vectors(space_id, func.count(Segment.image_id.distinct()))).scalar_one())


def masks_missing_vectors(connection: Connection, space_id: int, image_id: int) -> list[StoredMask]:
    """List the segments of an image whose vector is missing, by row."""
    accepted = FeatureGap.segment_id.is_not(None)
    query = _missing_vectors(space_id, Segment.id, Segment.point_id, Category.name, Mask.rle, Mask.number, accepted)
    rows = connection.execute(query.join(Mask, its_mask()).where(Segment.image_id == image_id).order_by(Segment.id))
    return [StoredMask(row[0], row[1], row[2], bytes(row[3]), row[4], bool(row[5])) for row in rows]


def vector_makers(connection: Connection, ids: Sequence[UUID], space: str) -> dict[UUID, VectorMaker]:
    """Find the runs that made the vectors of segments in a space; a segment without one there is left out.

    space: its fingerprint.
    """
    query = (
        select(Segment.point_id, Run.id, Run.components)
        .select_from(Segment)
        .join(Space, Space.fingerprint == space)
        .join(SegmentFeature, its_vector(SegmentFeature, Space.id))
        .join(Shard, Shard.id == SegmentFeature.shard_id)
        .join(Run, Run.id == Shard.run_id)
    )
    rows = rows_in(connection, query, Segment.point_id, ids)
    return {point_id: VectorMaker(run, components or {}) for point_id, run, components in rows}


def addresses(connection: Connection, photos: list[StoredPhoto]) -> dict[str, dict[str, list[StoredPhoto]]]:
    """Map each source's address to its external ids, and each of these to the photos that had it. An image that several
    sources showed stands under each; the source of the newest run comes first."""
    by_id = {photo.id: photo for photo in photos}
    images_by_source: dict[str, dict[str, set[int]]] = {}
    newest: dict[str, int] = {}
    units = select(Run.id, Run.source, Unit.image_id, Unit.external_id).join(Unit, Unit.run_id == Run.id)
    segments = (
        select(Run.id, Run.source, Segment.image_id, ImageRow.external_id)
        .join(Segment, Segment.run_id == Run.id)
        .join(ImageRow, ImageRow.id == Segment.image_id)
        .distinct()
    )
    for query, column in ((units, Unit.image_id), (segments, Segment.image_id)):
        for run_id, source, image_id, external_id in rows_in(connection, query, column, list(by_id)):
            if source.startswith(CLASS_FILE):  # it has no photos
                continue
            images_by_source.setdefault(source, {}).setdefault(external_id, set()).add(image_id)
            newest[source] = max(run_id, newest.get(source, 0))
    return {
        source: {name: [by_id[image_id] for image_id in sorted(ids)] for name, ids in images_by_source[source].items()}
        for source in sorted(images_by_source, key=lambda source: -newest[source])
    }


def _living(space_id: int, *columns: Any) -> Select[Any]:
    """Select living segments, joined with their vector and their gap in a space."""
    feature, gap = its_vector(SegmentFeature, space_id), its_vector(FeatureGap, space_id)
    query = joined(select(*columns).select_from(Segment)).outerjoin(SegmentFeature, feature).outerjoin(FeatureGap, gap)
    return query.where(living())


def _missing_vectors(space_id: int, *columns: Any) -> Select[Any]:
    to_do = or_(FeatureGap.reason.is_(None), FeatureGap.reason != GapReason.MASK)
    return _living(space_id, *columns).where(SegmentFeature.segment_id.is_(None), to_do)


def mismatch(
    connection: Connection, folder: Path, spaces: Sequence[FeatureSpace], space: FeatureSpace
) -> SpaceMismatch:
    """Make the error of a store that holds `spaces` and not `space`."""
    stored = " or ".join(f"{stored_space.backbone} (space {stored_space.id})" for stored_space in spaces)
    names = " or ".join(dict.fromkeys(stored_space.backbone for stored_space in spaces))
    use, got = f"use --backbone {names}", f"{space.backbone} (space {space.id}), another backbone"
    add = to_add(space.backbone, folder)
    same = next((stored_space for stored_space in spaces if stored_space.backbone == space.backbone), None)
    if same is not None:
        differing = differences(same, space)
        own, its = described(differing, 1), described(differing, 0)
        got = f"{space.backbone} (space {space.id}) with {own}, where the store has {its}"
        options = settings_to_repeat(_settings(connection, same), differing)
        use = f"say the settings that its vectors were made with: {options or 'as they were then'}"
        add = f"{add}, and the --set of this command"
    todo = f"{use}, or add vectors of this one: {add}, or build a new store"
    if not ledger.has_units(connection):  # whoever began it stored nothing
        todo = f"nothing is stored there yet: remove {folder}, or build into another folder; or {todo}"
    return SpaceMismatch(f"vectors of {stored}, which this store holds", got, todo)


def makers(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """Return by fingerprint of a space what its newest run recorded of the backbone that made it."""
    query = select(Space.fingerprint, Space.backbone, Run.components).join(Run, Run.space_id == Space.id)
    recorded: dict[str, Mapping[str, Any]] = {}
    for fingerprint, backbone, components in connection.execute(query.order_by(Run.id)):
        of_backbone = [part for part in (components or {}).values() if part.get("name") == backbone]
        recorded |= {fingerprint: of_backbone[0]} if of_backbone else {}
    return recorded


def _settings(connection: Connection, space: FeatureSpace) -> Mapping[str, Any]:
    """Return the settings that a space's backbone had, by their full keys; none of an older record."""
    settings = makers(connection).get(space.id, {}).get("settings", {})
    return {f"plugin.{space.backbone}.{key}": value for key, value in settings.items()}


def to_add(backbone: str, folder: Path) -> str:
    """Name the command that adds the missing vectors of the backbone's space."""
    return f"retclip store add-space --backbone {backbone} --store {folder}"
