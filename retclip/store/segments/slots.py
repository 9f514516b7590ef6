"""Slots: the places of an image's segments, (image, proposer, prompt, ordinal). A run fills those of its prompts whole.

The segments of a run take the slots of its prompts in order; slots that are left over are retired, not deleted. So are
those of classes that the same data set no longer shows in the image. A person's label and quarantine outlive this;
vectors in other spaces stay valid while the mask stays the same. All changes are facts under the run's event, so that
its undo leaves the facts of others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from retclip.names import name_key
from retclip.store.history import segment_facts
from retclip.store.ids import segment_id, stored_name
from retclip.store.records import NewSegment, OpenRun
from retclip.store.sql.catalog import its_mask, rows_in
from retclip.store.sql.tables import NORMAL, RETIRED, ImageRow, Mask, Proposer, Run, Segment
from retclip.store.states import LabelSource

SLOT = (
    Segment.id, Segment.image_id, Segment.prompt, Segment.ordinal, Segment.status, Segment.mask_no, Segment.category_id,
    Segment.label_source, Segment.confidence,
)  # fmt: skip
POINTS = select(Segment.point_id, Segment.id)


@dataclass(frozen=True)
class SlotImage:
    """An image whose slots are filled.

    segments: those of the run, which fill the slots.
    prompts: the classes that the run looked for.
    absent: classes that the image does not show, says the source; their slots are emptied.
    only_adds: whether filled slots stay as they are, and slots without a segment are not emptied.
    """

    id: int
    sha256: str
    segments: Sequence[NewSegment]
    prompts: tuple[str, ...]
    absent: tuple[str, ...]
    only_adds: bool = False


@dataclass(frozen=True)
class Filling:
    """The run that fills slots.

    event: returns the number of the run's event, made with its first fact.
    categories: rows of classes by name.
    """

    run: OpenRun
    event: Callable[[], int]
    categories: Mapping[str, int]


@dataclass(frozen=True)
class Filled:
    """The slots of images after a run.

    ids: rows of the run's segments, image by image in their order; None for one whose slot stayed as it was.
    masks: the number of the mask of each.
    refilled: those that had a row before.
    retired: rows of slots that the run left empty.
    displaced: how many slots in use have another mask now, or are empty.
    """

    ids: Sequence[int | None]
    masks: Mapping[int, int]
    refilled: list[int]
    retired: list[int]
    displaced: int


@dataclass(frozen=True)
class _Slot:
    """A slot and the segment that is to fill it.

    row: the slot's row, None for a new one.
    """

    image: SlotImage
    new: NewSegment
    row: Any

    @property
    def is_redrawn(self) -> bool:
        """Tell whether the slot had another mask."""
        return self.row is not None and bytes(self.row.rle) != self.new.rle

    def stays(self, taken_out: Collection[int]) -> bool:
        """Tell whether the slot keeps its segment. taken_out: rows that a person retired."""
        return (
            self.row is not None
            and self.image.only_adds
            and (self.row.status != RETIRED or self.row.id in taken_out)  # a person's word outlives the run
        )


def fill_slots(connection: Connection, filling: Filling, images: Sequence[SlotImage]) -> Filled:
    """Fill the slots of images with the segments of a run, in the same few statements for one image or many.

    images: each once.
    """
    rows_of = _rows(connection, filling.run, [image.id for image in images])
    slots = [slot for image in images for slot in _slots(image, rows_of.get(image.id, ()))]
    retired = [int(slot.row.id) for slot in slots if slot.image.only_adds and slot.row and slot.row.status == RETIRED]
    taken_out = {row for row, out in segment_facts.words_of(connection, retired, "retired").items() if out}
    inserted = iter(_insert(connection, filling, [slot for slot in slots if slot.row is None]))
    filled_anew = [slot for slot in slots if slot.row and not slot.stays(taken_out)]
    masks = _refill(connection, filling, filled_anew)
    ids = [
        next(inserted) if slot.row is None else None if slot.stays(taken_out) else int(slot.row.id) for slot in slots
    ]
    emptied = [row for image in images for row in _emptied(filling.run, image, rows_of.get(image.id, ()))]
    if emptied:
        segment_facts.add_same_fact(connection, filling.event(), emptied, present=False)
    displaced = len(emptied) + sum(slot.row.status != RETIRED and slot.is_redrawn for slot in filled_anew)
    return Filled(ids, {row: masks.get(row, 1) for row in ids if row is not None}, list(masks), emptied, displaced)


def _slots(image: SlotImage, rows: Sequence[Any]) -> list[_Slot]:
    """Pair the segments of an image with the rows of their slots."""
    existing = {(row.prompt, row.ordinal): row for row in rows}
    return [_Slot(image, new, existing.get((name_key(new.prompt), new.ordinal))) for new in image.segments]


def _emptied(run: OpenRun, image: SlotImage, rows: Sequence[Any]) -> list[int]:
    """List the rows of slots that a run leaves empty: of the classes that it looked for, and of those that the image
    does not show, says its data set, which speaks for its own segments only: others may know more."""
    if image.only_adds:
        return []
    filled = {(name_key(new.prompt), new.ordinal) for new in image.segments}
    prompts, absent = ({name_key(name) for name in names} for names in (image.prompts, image.absent))
    surplus = [row for row in rows if row.prompt in prompts and (row.prompt, row.ordinal) not in filled]
    unshown = [row for row in rows if row.prompt in absent and row.dataset_id == run.dataset_id]
    return [row.id for row in (*surplus, *unshown) if row.status != RETIRED]


def _refill(connection: Connection, filling: Filling, slots: Sequence[_Slot]) -> dict[int, int]:
    """Give filled slots the masks of the run; returns the mask's number by segment. An unchanged mask keeps its
    number. Where a run only adds, the slot was retired, and gets the run's label, whatever it was called."""
    changed = [int(slot.row.id) for slot in slots if slot.is_redrawn]
    newest, facts = _newest_masks(connection, changed), list[dict[str, object]]()
    masks, drawn = dict[int, int](), list[dict[str, object]]()
    for image, new, old in ((slot.image, slot.new, slot.row) for slot in slots):
        masks[old.id] = newest[old.id] + 1 if old.id in newest else int(old.mask_no)
        if old.id in newest:
            drawn.append(_mask(new, old.id, masks[old.id]))
        label = _label(filling, new) if image.only_adds else _changed_label(new, old)
        facts.append({"segment_id": old.id, **_drawn(filling.run, new, masks[old.id]), **label})
    if drawn:
        connection.execute(insert(Mask), drawn)
    if facts:
        for same_columns in ([fact for fact in facts if ("confidence" in fact) == label] for label in (False, True)):
            segment_facts.add_facts(connection, filling.event(), same_columns)
        segment_facts.settle(connection, masks, moved=masks)
    return masks


def _newest_masks(connection: Connection, segment_ids: Sequence[int]) -> dict[int, int]:
    """Find the highest number of a mask of each segment, current or not."""
    query = select(Mask.segment_id, func.max(Mask.number)).group_by(Mask.segment_id)
    return {row[0]: row[1] for row in rows_in(connection, query, Mask.segment_id, segment_ids)}


def images_with_slots(
    connection: Connection, run: OpenRun, external_ids: Sequence[str], prompts: Sequence[str]
) -> set[str]:
    """List those of the data set's images that have a segment of this proposer for one of the prompts: if the
    annotation shows none of them any more, there are segments to retire."""
    keys = [name_key(prompt) for prompt in prompts]
    query = (
        select(ImageRow.external_id)
        .join(Segment, Segment.image_id == ImageRow.id)
        .join(Run, Run.id == Segment.run_id)
        .where(Run.dataset_id == run.dataset_id, Segment.proposer_id == run.proposer_id, Segment.status != RETIRED)
        .where(Segment.prompt.in_(keys))
    )
    rows = rows_in(connection, query, ImageRow.external_id, [stored_name(name) for name in external_ids])
    names = {row.external_id for row in rows}
    return {name for name in external_ids if stored_name(name) in names}


def photos_cut_twice(connection: Connection, run_id: int) -> dict[str, int]:
    """Count the run's photos in which visible segments of another proposer stand beside its own, by that proposer."""
    of_run = select(Segment.image_id, Segment.proposer_id).where(Segment.run_id == run_id, Segment.status == NORMAL)
    mine = of_run.distinct().subquery()
    query = (
        select(Proposer.name, func.count(Segment.image_id.distinct()))
        .join(mine, (mine.c.image_id == Segment.image_id) & (mine.c.proposer_id != Segment.proposer_id))
        .join(Proposer, Proposer.id == Segment.proposer_id)
        .where(Segment.status == NORMAL)
        .group_by(Proposer.name)
        .order_by(Proposer.name)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _rows(connection: Connection, run: OpenRun, images: Sequence[int]) -> dict[int, list[Any]]:
    """Read every segment of this proposer in the images, with the data set of the run that made its mask. The rows are
    locked until the transaction ends: two runs must not number their masks alike."""
    query = (
        select(*SLOT, Mask.rle, Run.dataset_id)
        .join(Run, Run.id == Segment.run_id)
        .join(Mask, its_mask())
        .where(Segment.proposer_id == run.proposer_id)
        .order_by(Segment.id)
        .with_for_update(of=Segment, key_share=True)
    )
    rows: dict[int, list[Any]] = {}
    for row in rows_in(connection, query, Segment.image_id, sorted(images)):
        rows.setdefault(row.image_id, []).append(row)
    return rows


def _mask(new: NewSegment, segment: int, number: int) -> dict[str, object]:
    x, y, width, height = new.box
    box = {"x": x, "y": y, "width": width, "height": height, "area": new.area}
    return {"segment_id": segment, "number": number, **box, "rle": new.rle}


def _drawn(run: OpenRun, new: NewSegment, number: int) -> dict[str, object]:
    """Make the columns of a run's fact about a segment that it found."""
    scores = {"score": new.score, "detector_score": new.detector_score, "mask_score": new.mask_score}
    return {"run_id": run.id, "mask_no": number, **scores, "present": True}


def _label(filling: Filling, new: NewSegment) -> dict[str, object]:
    """Make the columns of a run's fact about a label."""
    category = filling.categories[new.label]
    return {"category_id": category, "label_source": new.label_source, "confidence": new.confidence}


def _changed_label(new: NewSegment, old: Any) -> dict[str, object]:
    """Make the columns of a run's fact about the label of a filled slot: none if a person gave the label, or if source
    and confidence are the same. Its class stays: a prompt is one class."""
    if old.label_source == LabelSource.PERSON:
        return {}
    if (old.label_source, old.confidence) == (new.label_source, new.confidence):
        return {}
    return {"category_id": old.category_id, "label_source": new.label_source, "confidence": new.confidence}


def _insert(connection: Connection, filling: Filling, slots: Sequence[_Slot]) -> list[int]:
    """Insert the rows of new segments with their masks and first facts. There are no others, so the rows need no
    settling."""
    if not slots:
        return []
    run, labels = filling.run, [_label(filling, slot.new) for slot in slots]
    rows = [
        {"point_id": segment_id(image.sha256, run.proposer, new.prompt, new.ordinal), "image_id": image.id,
         "proposer_id": run.proposer_id, "prompt": name_key(new.prompt), "ordinal": new.ordinal, **label,
         "labelled_by": f"run {run.id}", "run_id": run.id, "score": new.score, "detector_score": new.detector_score,
         "mask_score": new.mask_score}
        for (image, new), label in zip(((slot.image, slot.new) for slot in slots), labels, strict=True)
    ]  # fmt: skip
    connection.execute(insert(Segment), rows)  # SQLite would return the ids of many rows in no certain order
    points = [row["point_id"] for row in rows]
    id_of = {row.point_id: row.id for row in rows_in(connection, POINTS, Segment.point_id, points)}
    ids = [id_of[point] for point in points]
    drawn = [(row, slot.new, label) for row, slot, label in zip(ids, slots, labels, strict=True)]
    connection.execute(insert(Mask), [_mask(new, row, 1) for row, new, _ in drawn])
    facts = [{"segment_id": row, **label, **_drawn(run, new, 1)} for row, new, label in drawn]
    segment_facts.add_facts(connection, filling.event(), facts)
    return ids
