"""The feature spaces of a store: how complete each is, and which segments still lack a vector in one.

A segment *lives* as long as an index should hold it: it and its class are not retired, its image is not being deleted.
In a space a living segment has a vector, or lacks one, or is let go without. The last are rows of `feature_gap`: its
mask meets no cell of that backbone, which no repetition changes; or its photo could not be used and a person accepted
that. Both are a mask's: whoever fills the slot with another one begins anew. A space is complete where nothing is
lacking.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, func, or_, select

from retclip.errors import SpaceMismatch
from retclip.store.records import SpaceState, StoredMask, StoredPhoto, VectorMaker
from retclip.store.sql.catalog import PAGE, its_mask, its_vector, joined, living, pages
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
from retclip.store.states import GapReason
from retclip.store.work import ledger
from retclip.store.work.outbox import pending_count
from retclip.types import FeatureSpace


def states(connection: Connection) -> list[SpaceState]:
    """Of every space, the oldest first."""
    return [state_of(connection, space_id, space) for space_id, space in ledger.spaces(connection)]


def state_of(connection: Connection, space_id: int, space: FeatureSpace) -> SpaceState:
    """Of one space. Counts every living segment."""
    gap = and_(SegmentFeature.segment_id.is_(None), FeatureGap.segment_id.is_not(None))
    columns = (func.count(), func.count(SegmentFeature.segment_id), func.count(FeatureGap.segment_id).filter(gap))
    total, there, without = connection.execute(_living(space_id, *columns)).one()
    version_id, index = ledger.active_version(connection, space_id) or (0, "")
    return SpaceState(space, there, total - there - without, without, index, pending_count(connection, version_id))


def photos_lacking(connection: Connection, space_id: int, after: int, limit: int = PAGE) -> list[StoredPhoto]:
    """Images by ascending row, beyond `after`, that have a segment to be given a vector."""
    query = _lacking(space_id, Segment.image_id).where(Segment.image_id > after).distinct()
    ids = list(connection.execute(query.order_by(Segment.image_id).limit(limit)).scalars())
    columns = (ImageRow.id, ImageRow.sha256, ImageRow.external_id, ImageRow.uri, ImageRow.height, ImageRow.width)
    found = []
    for page in pages(ids):
        rows = connection.execute(select(*columns).where(ImageRow.id.in_(page)).order_by(ImageRow.id))
        found += [StoredPhoto(row[0], row[1], row[2], row[3], (row[4], row[5])) for row in rows]
    return found


def count_photos_lacking(connection: Connection, space_id: int) -> int:
    """How many images that are."""
    return int(connection.execute(_lacking(space_id, func.count(Segment.image_id.distinct()))).scalar_one())


def masks_lacking(connection: Connection, space_id: int, image_id: int) -> list[StoredMask]:
    """The segments of an image to be given a vector, by row."""
    accepted = FeatureGap.segment_id.is_not(None)
    query = _lacking(space_id, Segment.id, Segment.point_id, Category.name, Mask.rle, Mask.number, accepted)
    rows = connection.execute(query.join(Mask, its_mask()).where(Segment.image_id == image_id).order_by(Segment.id))
    return [StoredMask(row[0], row[1], row[2], bytes(row[3]), row[4], bool(row[5])) for row in rows]


def vector_makers(connection: Connection, ids: Sequence[UUID], space: str) -> dict[UUID, VectorMaker]:
    """Who made the vectors that those segments have in a space. space: its fingerprint. Left out: what has none."""
    query = (
        select(Segment.point_id, Run.id, Run.components)
        .select_from(Segment)
        .join(Space, Space.fingerprint == space)
        .join(SegmentFeature, its_vector(SegmentFeature, Space.id))
        .join(Shard, Shard.id == SegmentFeature.shard_id)
        .join(Run, Run.id == Shard.run_id)
    )
    found = {}
    for page in pages(ids):
        for point_id, run, components in connection.execute(query.where(Segment.point_id.in_(page))):
            found[point_id] = VectorMaker(run, components or {})
    return found


def addresses(connection: Connection, photos: list[StoredPhoto]) -> dict[str, dict[str, list[StoredPhoto]]]:
    """Where else those photos may be found: address of a source -> external id there -> photos that had it. An image
    that several sources showed stands under each; the newest run's source comes first."""
    by_id = {one.id: one for one in photos}
    found: dict[str, dict[str, set[int]]] = {}
    newest: dict[str, int] = {}
    for page in pages(list(by_id)):
        seen = select(Run.id, Run.source, Unit.image_id, Unit.external_id).join(Unit, Unit.run_id == Run.id)
        made = select(Run.id, Run.source, Segment.image_id, ImageRow.external_id).join(
            Segment, Segment.run_id == Run.id
        )
        made = made.join(ImageRow, ImageRow.id == Segment.image_id).distinct()
        rows = [
            *connection.execute(seen.where(Unit.image_id.in_(page))),
            *connection.execute(made.where(Segment.image_id.in_(page))),
        ]
        for run_id, source, image_id, external_id in rows:
            found.setdefault(source, {}).setdefault(external_id, set()).add(image_id)
            newest[source] = max(run_id, newest.get(source, 0))
    return {
        source: {name: [by_id[one] for one in sorted(ids)] for name, ids in found[source].items()}
        for source in sorted(found, key=lambda one: -newest[one])
    }


def _living(space_id: int, *columns: Any) -> Select[Any]:
    """Of living segments, with their vector and gap in a space where they have one."""
    feature, gap = its_vector(SegmentFeature, space_id), its_vector(FeatureGap, space_id)
    query = joined(select(*columns).select_from(Segment)).outerjoin(SegmentFeature, feature).outerjoin(FeatureGap, gap)
    return query.where(living())


def _lacking(space_id: int, *columns: Any) -> Select[Any]:
    to_do = or_(FeatureGap.reason.is_(None), FeatureGap.reason != GapReason.MASK)
    return _living(space_id, *columns).where(SegmentFeature.segment_id.is_(None), to_do)


def mismatch(connection: Connection, folder: Path, known: Sequence[FeatureSpace], space: FeatureSpace) -> SpaceMismatch:
    """Why a store of the known spaces cannot be worked on in that one, and what to do."""
    there = " or ".join(f"{one.backbone} (space {one.id})" for one in known)
    names = " or ".join(dict.fromkeys(one.backbone for one in known))
    todo = (
        f"use --backbone {names} with its settings as in {folder / 'retclip.toml'}, "
        f"or add vectors of this one: {to_add(space.backbone, folder)}, or build a new store"
    )
    if not ledger.has_units(connection):  # whoever began it stored nothing
        todo = f"nothing is stored there yet: remove {folder}, or build into another folder; or {todo}"
    got = f"{space.backbone} (space {space.id}), other weights or settings"
    return SpaceMismatch(f"vectors of {there}, which this store holds", got, todo)


def to_add(backbone: str, folder: Path) -> str:
    """The command that makes up for what lacks in the backbone's space."""
    return f"retclip store add-space --backbone {backbone} --store {folder}"
