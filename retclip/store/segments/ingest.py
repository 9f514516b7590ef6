"""Writing finished work: archive first, then one SQL transaction (stores.md 2.3, "ingest unit").

    vectors -> shard file (durable) -> BEGIN  shard, images, classes, segments, labels, features, ledger, outbox  COMMIT

A crash before COMMIT leaves at most a shard file that nobody refers to; after it, the outbox makes the index follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, delete, insert, select, update

from retclip.names import name_key
from retclip.store.archive import vector_rows
from retclip.store.archive.crash_points import reach
from retclip.store.archive.shards import Archive
from retclip.store.history import events
from retclip.store.ids import stored_name
from retclip.store.records import OpenRun, UnitResult
from retclip.store.segments.categories import ensure_categories, find_categories, say_stored
from retclip.store.segments.slots import Filling, FirstSaid, SlotImage, fill_slots
from retclip.store.sql.catalog import pages
from retclip.store.sql.columns import now
from retclip.store.sql.engine import transaction, when_free
from retclip.store.sql.tables import ImageRow, Run, Unit
from retclip.store.states import RunKind, UnitState
from retclip.store.work.ledger import row_id
from retclip.store.work.outbox import announce_changes

ADDITIONS = (RunKind.CLASS_ADD, RunKind.CLASS_FILL)  # kinds of runs that store one class


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
        stored = ensure_categories(connection, _stored_names(run, results))
        event = cache(lambda: events.of_run(connection, run, _added_class(connection, run, results)))
        if stored.ids:
            say_stored(connection, event(), stored, is_thing)
        filling = Filling(run, event, stored.ids, FirstSaid(connection, event))
        changed, masks, again = list[int](), dict[int, int](), list[int]()
        rows: dict[int, int] = {}
        row_no = 0
        images = _image_ids(connection, run, results)
        elsewhere = _finish_units(connection, run, images, results)
        for result in results:
            absent = tuple(name for name in result.absent if name_key(name) not in elsewhere[result.key])
            image = SlotImage(images[result.image_sha256], result.image_sha256, result.prompts, absent)
            filled = fill_slots(connection, filling, image, result.segments)
            rows |= {segment: row for row, segment in enumerate(filled.ids, start=row_no)}
            masks |= filled.masks
            again += filled.again
            changed += [*filled.ids, *filled.retired]
            row_no += len(filled.ids)
        filling.first.write()
        vector_rows.forget(connection, run.space_id, again)
        vector_rows.point_at_rows(connection, run.space_id, shard_id, rows, masks, checksums)
        announce_changes(connection, changed)
        reach("before commit")


def _stored_names(run: OpenRun, results: Sequence[UnitResult]) -> dict[str, None]:
    """The classes that are there from now on: of a build all that were asked for; of an addition what was found, for
    one that finds nothing leaves no class behind."""
    if run.kind not in ADDITIONS:
        return {prompt: None for result in results for prompt in result.prompts}
    return {segment.prompt: None for result in results for segment in result.segments}


def _added_class(connection: Connection, run: OpenRun, results: Sequence[UnitResult]) -> int | None:
    """The one class of an addition."""
    asked = [name_key(prompt) for result in results for prompt in result.prompts] if run.kind in ADDITIONS else []
    found = find_categories(connection, asked)
    return next((found[key] for key in asked if key in found), None)


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
            described = {
                "dataset_id": run.dataset_id,
                "external_id": stored_name(result.external_id),
                "uri": result.uri,
            }
            ids[sha256] = row_id(
                connection, ImageRow, {"sha256": sha256}, {**described, "width": width, "height": height}
            )
    return ids


@dataclass(frozen=True)
class _Said:
    """What a finished unit says of its photo. name: of its record in the data set. shown: None where nobody wrote it
    down."""

    key: str
    name: str
    dataset_id: int
    content: str
    classes: frozenset[str]
    shown: frozenset[str] | None

    def beside(self, other: _Said) -> bool:
        """Whether it is another record of the same data set: a folder per class holds a photo of two classes twice."""
        return self.dataset_id == other.dataset_id and self.name != other.name and self.shown is not None

    def replaced_by(self, other: _Said) -> bool:
        """Whether the other found the same classes in another annotation, or by another version of the proposer."""
        return self.content != other.content and not self.classes.isdisjoint(other.classes) and not self.beside(other)


def _finish_units(
    connection: Connection, run: OpenRun, images: Mapping[str, int], results: Sequence[UnitResult]
) -> dict[str, set[str]]:
    """The ledger's rows. Units whose segments are being replaced are not finished any more, in whatever space. Returns
    by unit key the name keys of what other records of its photo show, which it must not call absent."""
    known, gone = _said_earlier(connection, run, sorted(set(images.values()))), set[str]()
    rows, elsewhere = dict[str, dict[str, Any]](), dict[str, set[str]]()
    for result in results:
        image_id, mine = images[result.image_sha256], _said_by(run, result)
        there = [one for one in known.get(image_id, ()) if one.key != mine.key]
        elsewhere[mine.key] = {key for one in there if one.beside(mine) for key in one.shown or ()}
        gone = (gone | {one.key for one in there if one.replaced_by(mine)}) - {mine.key}
        known[image_id] = [*there, mine]
        rows[mine.key] = {
            "key": mine.key, "external_id": mine.name, "uri": result.uri, "image_id": image_id,
            "content": mine.content, "classes": sorted(mine.classes), "shown": sorted(mine.shown or ()),
            "run_id": run.id, "state": UnitState.FINISHED, "segments": len(result.segments), "at": now(),
        }  # fmt: skip
    for keys in pages([*gone, *rows]):
        connection.execute(delete(Unit).where(Unit.key.in_(keys)))
    connection.execute(insert(Unit), [row for key, row in rows.items() if key not in gone])
    return elsewhere


def _said_by(run: OpenRun, result: UnitResult) -> _Said:
    shown, absent = ({name_key(name) for name in names} for names in (result.prompts, result.absent))
    name = stored_name(result.external_id)
    return _Said(result.key, name, run.dataset_id, result.content, frozenset(shown | absent), frozenset(shown))


def _said_earlier(connection: Connection, run: OpenRun, image_ids: Sequence[int]) -> dict[int, list[_Said]]:
    """By image what was said of it with this proposer."""
    query = (
        select(Unit.image_id, Unit.key, Unit.external_id, Run.dataset_id, Unit.content, Unit.classes, Unit.shown)
        .join(Run, Run.id == Unit.run_id)
        .where(Run.proposer_id == run.proposer_id)
    )
    found: dict[int, list[_Said]] = {}
    for page in pages(image_ids):
        for row in connection.execute(query.where(Unit.image_id.in_(page))):
            shown = None if row.shown is None else frozenset(row.shown)
            said = _Said(row.key, row.external_id, row.dataset_id, row.content, frozenset(row.classes), shown)
            found.setdefault(row.image_id or 0, []).append(said)
    return found
