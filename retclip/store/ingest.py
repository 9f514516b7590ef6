"""Writing finished work: archive first, then one SQL transaction (stores.md 2.3, "ingest unit").

    vectors -> shard file (durable) -> BEGIN  shard, images, classes, segments, labels, features, ledger, outbox  COMMIT

A crash before COMMIT leaves at most a shard file that nobody refers to; after it, the outbox makes the index follow. A
prompt's slots are replaced whole: what a repeated run no longer finds is retired, not forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, update

from retclip.store.archive import Archive, crc32
from retclip.store.categories import ensure_categories
from retclip.store.columns import now
from retclip.store.crash_points import reach
from retclip.store.engine import transaction
from retclip.store.ids import segment_id
from retclip.store.ledger import OpenRun, live_versions, row_id
from retclip.store.outbox import announce
from retclip.store.tables import NORMAL, RETIRED, ImageRow, Label, Segment, SegmentFeature
from retclip.store.work_tables import Shard, Unit


@dataclass(frozen=True)
class NewSegment:
    """A segment to be stored. box: (x, y, width, height), upright image pixels. rle: COCO compressed counts."""

    prompt: str
    ordinal: int
    box: tuple[int, int, int, int]
    area: int
    score: float
    rle: bytes
    label_source: str
    confidence: float


@dataclass(frozen=True, eq=False)
class UnitResult:
    """One image's finished work. vectors: (n, d) float32 of unit length, a row per segment. prompts: every class that
    was asked for, found or not: their slots are replaced. size: (H, W)."""

    key: str
    external_id: str
    uri: str
    image_sha256: str
    size: tuple[int, int]
    prompts: tuple[str, ...]
    segments: tuple[NewSegment, ...]
    vectors: NDArray[np.float32]


def commit_units(
    engine: Engine, archive: Archive, run: OpenRun, results: Sequence[UnitResult], is_thing: Mapping[str, bool]
) -> int:
    """Store the results in one shard and one transaction; returns how many segments they hold."""
    vectors = np.concatenate([result.vectors for result in results])
    shard = archive.write(vectors) if len(vectors) else None
    checksums = [crc32(vector) for vector in vectors.astype("<f2")]
    reach("shard written")
    with transaction(engine, write=True) as connection:
        shard_id = _shard_id(connection, run, shard, vectors)
        names = {prompt: is_thing.get(prompt) for result in results for prompt in result.prompts}
        categories = ensure_categories(connection, names)
        changed: list[int] = []
        row_no = 0
        for result in results:
            image_id = _image_id(connection, run, result)
            ids, retired = _replace_slots(connection, run, image_id, result, categories)
            _point_at_rows(connection, run.space_id, shard_id, ids, row_no, checksums)
            _finish_unit(connection, run, result)
            changed += [*ids, *retired]
            row_no += len(ids)
        announce(connection, live_versions(connection), changed)
        reach("before commit")
    reach("committed")
    return len(vectors)


def _shard_id(connection: Connection, run: OpenRun, name: str | None, vectors: NDArray[np.float32]) -> int:
    if name is None:
        return -1
    described = {"row_count": len(vectors), "dim": vectors.shape[1], "run_id": run.id}
    return row_id(connection, Shard, {"sha256": name}, described)


def _image_id(connection: Connection, run: OpenRun, result: UnitResult) -> int:
    height, width = result.size
    described = {"dataset_id": run.dataset_id, "external_id": result.external_id[:256], "uri": result.uri}
    image_id = row_id(
        connection, ImageRow, {"sha256": result.image_sha256}, {**described, "width": width, "height": height}
    )
    connection.execute(update(ImageRow).where(ImageRow.id == image_id).values(uri=result.uri))  # it may have moved
    return image_id


def _replace_slots(
    connection: Connection, run: OpenRun, image_id: int, result: UnitResult, categories: Mapping[str, int]
) -> tuple[list[int], list[int]]:
    """Row ids of the result's segments in their order, and of the surplus ones that were retired."""
    mine = (Segment.image_id == image_id, Segment.recipe_id == run.recipe_id, Segment.prompt.in_(result.prompts))
    columns = (Segment.prompt, Segment.ordinal, Segment.id, Segment.status, Segment.rev)
    existing = {(row[0], row[1]): row for row in connection.execute(select(*columns).where(*mine))}
    ids = []
    for new in result.segments:
        values = _values(run, new)
        old = existing.pop((new.prompt, new.ordinal), None)
        if old is None:
            ids.append(_insert(connection, run, image_id, result, new, values, categories[new.prompt]))
        else:  # a person's label and quarantine outlive a rebuild; only a retired slot comes back to life
            status = NORMAL if old.status == RETIRED else old.status
            connection.execute(
                update(Segment).where(Segment.id == old.id).values(**values, status=status, rev=old.rev + 1)
            )
            ids.append(old.id)
    surplus = [row.id for row in existing.values() if row.status != RETIRED]
    if surplus:
        retire = update(Segment).where(Segment.id.in_(surplus))
        connection.execute(retire.values(status=RETIRED, rev=Segment.rev + 1))
    return ids, surplus


def _values(run: OpenRun, new: NewSegment) -> dict[str, object]:
    x, y, width, height = new.box
    box = {"x": x, "y": y, "width": width, "height": height, "area": new.area}
    return {**box, "score": new.score, "rle": new.rle, "run_id": run.id}


def _insert(
    connection: Connection, run: OpenRun, image_id: int, result: UnitResult, new: NewSegment,
    values: Mapping[str, object], category_id: int,
) -> int:  # fmt: skip
    point_id = segment_id(result.image_sha256, run.recipe, new.prompt, new.ordinal)
    slot = {"image_id": image_id, "recipe_id": run.recipe_id, "prompt": new.prompt, "ordinal": new.ordinal}
    row = insert(Segment).values(point_id=point_id, category_id=category_id, **slot, **values).returning(Segment.id)
    new_id = connection.execute(row).scalar_one()
    label = {"segment_id": new_id, "category_id": category_id, "source": new.label_source}
    connection.execute(insert(Label).values(**label, confidence=new.confidence, actor=f"run {run.id}"))
    return new_id


def _point_at_rows(
    connection: Connection, space_id: int, shard_id: int, ids: Sequence[int], first_row: int, checksums: Sequence[int]
) -> None:
    if not ids:
        return
    own = (SegmentFeature.segment_id.in_(ids), SegmentFeature.space_id == space_id)
    connection.execute(delete(SegmentFeature).where(*own))
    rows = [
        {"segment_id": segment, "space_id": space_id, "shard_id": shard_id, "row_no": row, "crc32": checksums[row]}
        for row, segment in enumerate(ids, start=first_row)
    ]
    connection.execute(insert(SegmentFeature), rows)


def _finish_unit(connection: Connection, run: OpenRun, result: UnitResult) -> None:
    connection.execute(delete(Unit).where(Unit.key == result.key))
    described = {"key": result.key, "external_id": result.external_id[:256], "uri": result.uri}
    values = {"run_id": run.id, "state": "finished", "segments": len(result.segments), "error": None, "at": now()}
    connection.execute(insert(Unit).values(**described, **values))
