"""Segments of classes as other stores take them over: slots, masks, labels, vectors, and where all of it came from.

In the order of photos and slots, which is the same in every store that holds the same; row numbers are a store's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from retclip.store.archive.shards import Archive
from retclip.store.history.events import IMPORT
from retclip.store.history.rejections import rejections
from retclip.store.records import Export, ExportedRun, ExportedSegment
from retclip.store.sql.catalog import its_mask, its_vector, joined, rows_in, visible
from retclip.store.sql.tables import (
    Dataset,
    ImageCredit,
    ImageRow,
    Mask,
    Proposer,
    Run,
    Segment,
    SegmentFeature,
    Shard,
    Space,
)
from retclip.types import PhotoCredit


def export(connection: Connection, archive: Archive, categories: Sequence[int], space_id: int) -> Export:
    """The visible segments of those classes, and their negative examples, with their vectors in a space. Raises
    StoreDamaged."""
    every = _segments(connection, categories, space_id)
    there = [(segment, place) for segment, place in every if place is not None]
    segments = tuple(segment for segment, _ in there)
    numbers = {run for segment in segments for run in (segment.run, segment.vector_run) if run is not None}
    dim = connection.execute(select(Space.dim).where(Space.id == space_id)).scalar_one()
    vectors = archive.stored_vectors([place for _, place in there], dim)
    return Export(segments, _runs(connection, sorted(numbers)), vectors, len(every) - len(there))


def _segments(connection: Connection, categories: Sequence[int], space_id: int) -> list[tuple[ExportedSegment, Any]]:
    """The segments, each with the place of its vector, None where it has none."""
    columns: tuple[Any, ...] = (
        Segment.id, Segment.category_id, Segment.prompt, Segment.ordinal, Segment.label_source, Segment.confidence,
        Segment.score, Segment.detector_score, Segment.mask_score, Segment.run_id, Mask.x, Mask.y,
        Mask.width.label("box_width"), Mask.height.label("box_height"), Mask.area, Mask.rle, ImageRow.sha256,
        ImageRow.external_id, ImageRow.uri, ImageRow.width, ImageRow.height, ImageCredit.author, ImageCredit.licence,
        ImageCredit.address, Proposer.name.label("proposer"), Shard.sha256.label("shard"),
        Shard.run_id.label("vector_run"), SegmentFeature.row_no, SegmentFeature.crc32,
    )  # fmt: skip
    query = (
        joined(select(*columns).select_from(Segment))
        .join(Proposer, Proposer.id == Segment.proposer_id)
        .join(Mask, its_mask())
        .outerjoin(ImageCredit, ImageCredit.image_id == Segment.image_id)
        .outerjoin(SegmentFeature, its_vector(SegmentFeature, space_id))
        .outerjoin(Shard, Shard.id == SegmentFeature.shard_id)
        .where(visible())
    )
    against: dict[int, list[int]] = {}
    for rejection in rejections(connection, categories):
        against.setdefault(rejection.segment, []).append(rejection.category)
    by_id = {row.id: row for row in rows_in(connection, query, Segment.category_id, categories)}
    by_id |= {row.id: row for row in rows_in(connection, query, Segment.id, sorted(set(against) - set(by_id)))}
    rows = list(by_id.values())
    rows.sort(key=lambda row: (row.sha256, row.proposer, row.prompt, row.ordinal))
    return [(_segment(row, against.get(row.id, ())), row if row.shard is not None else None) for row in rows]


def _runs(connection: Connection, numbers: Sequence[int]) -> dict[int, ExportedRun]:
    columns = (
        Run.id, Run.source, Dataset.name.label("dataset"), Run.proposer_version, Run.proposer_settings, Run.components,
        Run.config,
    )  # fmt: skip
    query = select(*columns).join(Dataset, Dataset.id == Run.dataset_id)
    rows = rows_in(connection, query, Run.id, numbers)
    return {
        row.id: ExportedRun(
            row.config[IMPORT]["source"] if IMPORT in row.config else row.source, row.dataset, row.proposer_version,
            row.proposer_settings, row.components or {},
        )
        for row in rows
    }  # fmt: skip


def _segment(row: Any, against: Sequence[int]) -> ExportedSegment:
    return ExportedSegment(
        category=row.category_id, image_sha256=row.sha256, external_id=row.external_id, uri=row.uri,
        size=(row.height, row.width), credit=PhotoCredit(row.author or "", row.licence or "", row.address or ""),
        proposer=row.proposer, prompt=row.prompt, ordinal=row.ordinal,
        box=(row.x, row.y, row.box_width, row.box_height), area=row.area, rle=bytes(row.rle),
        label_source=row.label_source, confidence=row.confidence, score=row.score, detector_score=row.detector_score,
        mask_score=row.mask_score, run=row.run_id, vector_run=row.vector_run, against=tuple(against),
    )  # fmt: skip
