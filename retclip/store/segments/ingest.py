"""Writing finished work: archive first, then one SQL transaction (stores.md 2.3, "ingest unit").

    vectors -> shard file (durable) -> BEGIN  shard, images, classes, segments, labels, features, ledger, outbox  COMMIT

A crash before COMMIT leaves at most a shard file that nobody refers to; after it, the outbox makes the index follow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, delete, insert, select, update

from retclip.names import name_key
from retclip.store.archive import vector_rows
from retclip.store.archive.shards import Archive
from retclip.store.crash_points import reach
from retclip.store.history import events
from retclip.store.history.rejections import add_rejections
from retclip.store.ids import stored_name
from retclip.store.records import Committed, OpenRun, UnitResult
from retclip.store.segments.categories import add_alias_facts, add_stored_facts, ensure_categories, find_categories
from retclip.store.segments.slots import Filling, SlotImage, fill_slots
from retclip.store.sql.catalog import pages, rows_in
from retclip.store.sql.columns import now
from retclip.store.sql.engine import insert_or_keep, retry_while_busy, transaction
from retclip.store.sql.tables import ImageCredit, ImageRow, Run, Unit
from retclip.store.states import RunKind, UnitState
from retclip.store.work.outbox import announce_changes
from retclip.types import PhotoCredit

ADDITIONS = (RunKind.CLASS_ADD, RunKind.CLASS_FILL)  # kinds of runs that store one class


def commit_units(
    engine: Engine, archive: Archive, run: OpenRun, results: Sequence[UnitResult], is_thing: Mapping[str, bool | None],
    synonyms: Mapping[str, Sequence[str]] = {},
) -> Committed:  # fmt: skip
    """Store the results in one shard and one transaction, tried again while another process writes.

    is_thing: by class name; None if the source does not say.
    synonyms: by class name; they become aliases where no class has them.
    Raises StoreBusy, StoreError.
    """
    vectors = np.concatenate([result.vectors for result in results])
    shard, checksums = vector_rows.archived(archive, vectors)
    reach("shard written")
    classes = _ClassData(is_thing, synonyms)
    displaced = retry_while_busy(lambda: _commit(engine, run, results, shard, vectors.shape[1], checksums, classes))
    reach("committed")
    return Committed(len(vectors), displaced)


@dataclass(frozen=True)
class _ClassData:
    """The source's statements about classes, by name.

    is_thing: None if it does not say.
    """

    is_thing: Mapping[str, bool | None]
    synonyms: Mapping[str, Sequence[str]]


def _commit(
    engine: Engine, run: OpenRun, results: Sequence[UnitResult], shard: str | None, dim: int,
    checksums: Sequence[int], classes: _ClassData,
) -> int:  # fmt: skip
    """Write the results; returns how many slots in use have another mask now, or none."""
    displaced = 0
    with transaction(engine, write=True) as connection:
        shard_id = vector_rows.shard_id(connection, run, shard, len(checksums), dim)
        stored = ensure_categories(connection, _stored_names(run, results))
        event = cache(lambda: events.of_run(connection, run, _added_class(connection, run, results)))
        if stored.ids:
            add_stored_facts(connection, event(), stored, classes.is_thing)
            add_alias_facts(connection, event, stored, classes.synonyms)
        filling = Filling(run, event, stored.ids)
        changed, masks, refilled = list[int](), dict[int, int](), list[int]()
        rows: dict[int, int] = {}
        images = _image_ids(connection, run, results)
        shown_elsewhere = _finish_units(connection, run, images, results)
        for turn in _turns(results):
            slot_images = [_slot_image(images, result, shown_elsewhere[result.key]) for result, _ in turn]
            filled = fill_slots(connection, filling, slot_images)
            filled_rows = zip(filled.ids, (row for _, rows_of in turn for row in rows_of), strict=True)
            rows |= {segment: row for segment, row in filled_rows if segment is not None}
            masks |= filled.masks
            refilled += filled.refilled
            displaced += filled.displaced
            changed += [*filled.masks, *filled.retired]
        if masks and _is_against(connection, run):
            add_rejections(connection, event(), sorted(masks), next(iter(stored.ids.values())))
        for name, segments in _negatives(results, rows, masks).items():
            add_rejections(connection, event(), segments, stored.ids[name])
        vector_rows.forget(connection, run.space_id, refilled)
        vector_rows.point_at_rows(connection, run.space_id, shard_id, rows, masks, checksums)
        announce_changes(connection, changed)
        reach("before commit")
    return displaced


def _turns(results: Sequence[UnitResult]) -> list[list[tuple[UnitResult, range]]]:
    """Part the results so that a turn has no image twice, each with the rows of its segments in the shard: a later
    result about an image sees the slots that an earlier one filled."""
    turns: list[dict[str, tuple[UnitResult, range]]] = []
    row = 0
    for result in results:
        rows = range(row, row := row + len(result.segments))
        earlier = sum(result.image_sha256 in turn for turn in turns)  # an image takes the turns one after another
        if earlier == len(turns):
            turns.append({})
        turns[earlier][result.image_sha256] = (result, rows)
    return [list(turn.values()) for turn in turns]


def _slot_image(images: Mapping[str, int], result: UnitResult, shown_elsewhere: Collection[str]) -> SlotImage:
    absent = tuple(name for name in result.absent if name_key(name) not in shown_elsewhere)
    sha256 = result.image_sha256
    return SlotImage(images[sha256], sha256, result.segments, result.prompts, absent, result.only_adds)


def _is_against(connection: Connection, run: OpenRun) -> bool:
    """Tell whether a run adds negative examples of its class."""
    if run.kind != RunKind.CLASS_ADD:
        return False
    config = connection.execute(select(Run.config).where(Run.id == run.id)).scalar_one()
    return bool(config.get(events.AGAINST, False))


def _stored_names(run: OpenRun, results: Sequence[UnitResult]) -> dict[str, None]:
    """List the classes that are stored from now on: every prompt of a build; of an addition or an import only those
    with segments, so that one without a segment leaves no class behind."""
    if run.kind not in (*ADDITIONS, RunKind.CLASS_IMPORT):
        return {prompt: None for result in results for prompt in result.prompts}
    segments = [segment for result in results for segment in result.segments]
    return dict.fromkeys(name for segment in segments for name in (segment.label, *segment.against))


def _negatives(
    results: Sequence[UnitResult], rows: Mapping[int, int], filled: Collection[int]
) -> dict[str, list[int]]:  # fmt: skip
    """List the filled slots that are negative examples of a class, by its name. rows: in the shard, by slot."""
    segments = [segment for result in results for segment in result.segments]
    negatives: dict[str, list[int]] = {}
    for slot in sorted(filled):
        for name in segments[rows[slot]].against if slot in rows else ():
            negatives.setdefault(name, []).append(slot)
    return negatives


def _added_class(connection: Connection, run: OpenRun, results: Sequence[UnitResult]) -> int | None:
    """Find the class of an addition; None for a build, and for a class without a row."""
    keys = [name_key(prompt) for result in results for prompt in result.prompts] if run.kind in ADDITIONS else []
    ids = find_categories(connection, keys)
    return next((ids[key] for key in keys if key in ids), None)


def _image_ids(connection: Connection, run: OpenRun, results: Sequence[UnitResult]) -> dict[str, int]:
    """Find the row of each image by its sha256; new images are inserted, and one that moved gets its new place."""
    results_of = {result.image_sha256: result for result in results}
    query = select(ImageRow.sha256, ImageRow.id, ImageRow.uri)
    rows = list(rows_in(connection, query, ImageRow.sha256, list(results_of)))
    ids = {row.sha256: row.id for row in rows}
    for row in rows:
        if row.uri != results_of[row.sha256].uri and not results_of[row.sha256].only_adds:
            moved = update(ImageRow).where(ImageRow.id == row.id)
            connection.execute(moved.values(uri=results_of[row.sha256].uri))
    new = [_image_row(run, sha256, result) for sha256, result in results_of.items() if sha256 not in ids]
    if new:
        connection.execute(insert_or_keep(connection, ImageRow), new)
        rows = list(rows_in(connection, query, ImageRow.sha256, [row["sha256"] for row in new]))
        ids |= {row.sha256: row.id for row in rows}
    _add_credits(connection, {ids[sha256]: result.credit for sha256, result in results_of.items() if result.credit})
    return ids


def _image_row(run: OpenRun, sha256: str, result: UnitResult) -> dict[str, Any]:
    """Make the columns of a new image."""
    height, width = result.size
    name = stored_name(result.external_id)
    place = {"dataset_id": run.dataset_id, "external_id": name, "uri": result.uri}
    return {"sha256": sha256, **place, "width": width, "height": height}


def _add_credits(connection: Connection, credits: Mapping[int, PhotoCredit]) -> None:
    """Insert the credits of images that have none."""
    rows = [{"image_id": image, **asdict(credit)} for image, credit in sorted(credits.items())]
    if rows:
        connection.execute(insert_or_keep(connection, ImageCredit), rows)


@dataclass(frozen=True)
class _Record:
    """The record of a finished unit about its photo.

    name: the record's in the data set.
    content: digest of annotation and recipe.
    classes: name keys of all classes that the unit looked for.
    shown: those that the photo shows; None if an older program did not write them down.
    """

    key: str
    name: str
    dataset_id: int
    content: str
    classes: frozenset[str]
    shown: frozenset[str] | None

    def beside(self, record: _Record) -> bool:
        """Tell whether the two are different records of one data set: a folder per class holds a photo of two classes
        twice."""
        return self.dataset_id == record.dataset_id and self.name != record.name and self.shown is not None

    def replaced_by(self, record: _Record) -> bool:
        """Tell whether the other unit looked for the same classes with another annotation or version of the
        proposer."""
        return (
            self.content != record.content and not self.classes.isdisjoint(record.classes) and not self.beside(record)
        )


def _finish_units(
    connection: Connection, run: OpenRun, images: Mapping[str, int], results: Sequence[UnitResult]
) -> dict[str, set[str]]:
    """Write the ledger's rows. Units whose segments are being replaced are not finished any more, in whatever space.
    Returns by unit key the name keys that other records of its photo show, which it must not call absent."""
    earlier, replaced = _earlier_records(connection, run, sorted(set(images.values()))), set[str]()
    rows, shown_elsewhere = dict[str, dict[str, Any]](), dict[str, set[str]]()
    for result in results:
        image_id, record = images[result.image_sha256], _record_of(run, result)
        records = [peer for peer in earlier.get(image_id, ()) if peer.key != record.key]
        shown_elsewhere[record.key] = {key for peer in records if peer.beside(record) for key in peer.shown or ()}
        outdated = set() if result.only_adds else {peer.key for peer in records if peer.replaced_by(record)}
        replaced = (replaced | outdated) - {record.key}
        earlier[image_id] = [*records, record]
        rows[record.key] = {
            "key": record.key, "external_id": record.name, "uri": result.uri, "image_id": image_id,
            "content": record.content, "classes": sorted(record.classes), "shown": sorted(record.shown or ()),
            "run_id": run.id, "state": UnitState.FINISHED, "segments": len(result.segments), "at": now(),
        }  # fmt: skip
    for keys in pages([*replaced, *rows]):
        connection.execute(delete(Unit).where(Unit.key.in_(keys)))
    connection.execute(insert(Unit), [row for key, row in rows.items() if key not in replaced])
    return shown_elsewhere


def _record_of(run: OpenRun, result: UnitResult) -> _Record:
    shown, absent = ({name_key(name) for name in names} for names in (result.prompts, result.absent))
    name = stored_name(result.external_id)
    return _Record(result.key, name, run.dataset_id, result.content, frozenset(shown | absent), frozenset(shown))


def _earlier_records(connection: Connection, run: OpenRun, image_ids: Sequence[int]) -> dict[int, list[_Record]]:
    """Read the records about each image that units of this proposer left."""
    query = (
        select(Unit.image_id, Unit.key, Unit.external_id, Run.dataset_id, Unit.content, Unit.classes, Unit.shown)
        .join(Run, Run.id == Unit.run_id)
        .where(Run.proposer_id == run.proposer_id)
    )
    records: dict[int, list[_Record]] = {}
    for row in rows_in(connection, query, Unit.image_id, image_ids):
        shown = None if row.shown is None else frozenset(row.shown)
        record = _Record(row.key, row.external_id, row.dataset_id, row.content, frozenset(row.classes), shown)
        records.setdefault(row.image_id, []).append(record)
    return records
