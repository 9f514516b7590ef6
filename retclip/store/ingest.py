"""Writing finished work: archive first, then one SQL transaction (stores.md 2.3, "ingest unit").

    vectors -> shard file (durable) -> BEGIN  shard, images, classes, segments, labels, features, ledger, outbox  COMMIT

A crash before COMMIT leaves at most a shard file that nobody refers to; after it, the outbox makes the index follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, update

from retclip.names import name_key
from retclip.store import vector_rows
from retclip.store.archive import Archive
from retclip.store.catalog import pages
from retclip.store.categories import ensure_categories
from retclip.store.columns import now
from retclip.store.crash_points import reach
from retclip.store.engine import transaction, when_free
from retclip.store.ledger import OpenRun, live_versions, row_id
from retclip.store.outbox import announce
from retclip.store.slots import NewSegment, SlotImage, fill_slots
from retclip.store.tables import ImageRow
from retclip.store.work_tables import Run, Unit


@dataclass(frozen=True, eq=False)
class UnitResult:
    """One image's finished work. vectors: (n, d) float32 of unit length, a row per segment. prompts: every class that
    was asked for, found or not: their slots are filled anew. absent: classes that the source says the image does not
    show. content: digest of annotation and recipe. size: (H, W)."""

    key: str
    content: str
    external_id: str
    uri: str
    image_sha256: str
    size: tuple[int, int]
    prompts: tuple[str, ...]
    segments: tuple[NewSegment, ...]
    vectors: NDArray[np.float32]
    absent: tuple[str, ...] = ()


def commit_units(
    engine: Engine, archive: Archive, run: OpenRun, results: Sequence[UnitResult], is_thing: Mapping[str, bool | None]
) -> int:
    """Store the results in one shard and one transaction; returns how many segments they hold. Where another process
    is in the way, it is tried again. Raises StoreBusy, StoreError."""
    vectors = np.concatenate([result.vectors for result in results])
    shard, checksums = vector_rows.archived(archive, vectors)
    reach("shard written")
    when_free(lambda: _commit(engine, run, results, shard, vectors.shape[1], checksums, is_thing))
    reach("committed")
    return len(vectors)


def _commit(
    engine: Engine, run: OpenRun, results: Sequence[UnitResult], shard: str | None, dim: int,
    checksums: Sequence[int], is_thing: Mapping[str, bool | None],
) -> None:  # fmt: skip
    with transaction(engine, write=True) as connection:
        shard_id = vector_rows.shard_id(connection, run, shard, len(checksums), dim)
        names = {prompt: is_thing.get(prompt) for result in results for prompt in result.prompts}
        categories = ensure_categories(connection, names)
        changed: list[int] = []
        rows: dict[int, int] = {}
        row_no = 0
        images = _image_ids(connection, run, results)
        _finish_units(connection, run, images, results)
        for result in results:
            image = SlotImage(images[result.image_sha256], result.image_sha256, result.prompts, result.absent)
            ids, retired = fill_slots(connection, run, image, result.segments, categories)
            rows |= {segment: row for row, segment in enumerate(ids, start=row_no)}
            changed += [*ids, *retired]
            row_no += len(ids)
        vector_rows.point_at_rows(connection, run.space_id, shard_id, rows, checksums)
        announce(connection, live_versions(connection), changed)
        reach("before commit")


def _image_ids(connection: Connection, run: OpenRun, results: Sequence[UnitResult]) -> dict[str, int]:
    """Row id of each image by its sha256; new ones are inserted, and one that moved is found at its new place."""
    shown = {result.image_sha256: result for result in results}
    query = select(ImageRow.sha256, ImageRow.id, ImageRow.uri)
    known = [row for page in pages(list(shown)) for row in connection.execute(query.where(ImageRow.sha256.in_(page)))]
    ids = {row.sha256: row.id for row in known}
    for row in known:
        if row.uri != shown[row.sha256].uri:
            moved = update(ImageRow).where(ImageRow.id == row.id)
            connection.execute(moved.values(uri=shown[row.sha256].uri))
    for sha256, result in shown.items():
        if sha256 not in ids:
            height, width = result.size
            described = {"dataset_id": run.dataset_id, "external_id": result.external_id[:256], "uri": result.uri}
            ids[sha256] = row_id(
                connection, ImageRow, {"sha256": sha256}, {**described, "width": width, "height": height}
            )
    return ids


def _finish_units(
    connection: Connection, run: OpenRun, images: Mapping[str, int], results: Sequence[UnitResult]
) -> None:
    """The ledger's rows. Units that found the same classes in another annotation of an image, or by another version or
    setting of the proposer, are not finished any more, in whatever space: their segments are being replaced."""
    query = (
        select(Unit.key, Unit.classes, Unit.content, Unit.image_id)
        .join(Run, Run.id == Unit.run_id)
        .where(Run.proposer_id == run.proposer_id)
    )
    earlier: dict[int, list[Any]] = {}
    for page in pages(sorted(set(images.values()))):
        for row in connection.execute(query.where(Unit.image_id.in_(page))):
            earlier.setdefault(row.image_id, []).append(row)
    rows: dict[str, dict[str, Any]] = {}
    gone: set[str] = set()
    for result in results:
        image_id, classes = images[result.image_sha256], {name_key(name) for name in (*result.prompts, *result.absent)}
        here = [(key, row["content"], row["classes"]) for key, row in rows.items() if row["image_id"] == image_id]
        others = here + [(one.key, one.content, one.classes) for one in earlier.get(image_id, ())]
        gone |= {key for key, content, theirs in others if content != result.content and not classes.isdisjoint(theirs)}
        rows[result.key] = {
            "key": result.key, "external_id": result.external_id[:256], "uri": result.uri, "image_id": image_id,
            "content": result.content, "classes": sorted(classes), "run_id": run.id, "state": "finished",
            "segments": len(result.segments), "at": now(),
        }  # fmt: skip
        gone.discard(result.key)
    for keys in pages([*gone, *rows]):
        connection.execute(delete(Unit).where(Unit.key.in_(keys)))
    connection.execute(insert(Unit), [row for key, row in rows.items() if key not in gone])
