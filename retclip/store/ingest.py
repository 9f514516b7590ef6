"""Writing finished work: archive first, then one SQL transaction (stores.md 2.3, "ingest unit").

    vectors -> shard file (durable) -> BEGIN  shard, images, classes, segments, labels, features, ledger, outbox  COMMIT

A crash before COMMIT leaves at most a shard file that nobody refers to; after it, the outbox makes the index follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, update

from retclip.names import name_key
from retclip.store import vector_rows
from retclip.store.archive import Archive
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
        row_no = 0
        for result in results:
            image_id = _image_id(connection, run, result)
            image = SlotImage(image_id, result.image_sha256, result.prompts, result.absent)
            ids, retired = fill_slots(connection, run, image, result.segments, categories)
            rows = {segment: row for row, segment in enumerate(ids, start=row_no)}
            vector_rows.point_at_rows(connection, run.space_id, shard_id, rows, checksums)
            _finish_unit(connection, run, image_id, result)
            changed += [*ids, *retired]
            row_no += len(ids)
        announce(connection, live_versions(connection), changed)
        reach("before commit")


def _image_id(connection: Connection, run: OpenRun, result: UnitResult) -> int:
    height, width = result.size
    described = {"dataset_id": run.dataset_id, "external_id": result.external_id[:256], "uri": result.uri}
    image_id = row_id(
        connection, ImageRow, {"sha256": result.image_sha256}, {**described, "width": width, "height": height}
    )
    connection.execute(update(ImageRow).where(ImageRow.id == image_id).values(uri=result.uri))  # it may have moved
    return image_id


def _finish_unit(connection: Connection, run: OpenRun, image_id: int, result: UnitResult) -> None:
    """The ledger's row. Units that found the same classes in another annotation of the image, or by another version or
    setting of the proposer, are not finished any more, in whatever space: their segments were just replaced."""
    classes = sorted({name_key(name) for name in (*result.prompts, *result.absent)})
    same = (Unit.image_id == image_id, Run.proposer_id == run.proposer_id)
    query = select(Unit.key, Unit.classes).join(Run, Run.id == Unit.run_id).where(*same, Unit.content != result.content)
    replaced = [key for key, theirs in connection.execute(query).all() if not set(theirs).isdisjoint(classes)]
    connection.execute(delete(Unit).where(Unit.key.in_([*replaced, result.key])))
    described = {"key": result.key, "external_id": result.external_id[:256], "uri": result.uri}
    about: dict[str, object] = {"image_id": image_id, "content": result.content, "classes": classes}
    values = {"run_id": run.id, "state": "finished", "segments": len(result.segments), "error": None, "at": now()}
    connection.execute(insert(Unit).values(**described, **about, **values))
