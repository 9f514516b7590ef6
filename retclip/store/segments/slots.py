"""Slots: the places of an image's segments, (image, proposer, prompt, ordinal). A run fills those of its prompts whole.

The segments of a run take the slots of its prompts in order; slots that are left over are retired, not deleted. So are
those of classes that the same data set no longer shows in the image. A person's label and quarantine outlive this;
vectors in other spaces stay valid while the mask stays the same. All changes are facts under the run's event, so that
its undo leaves the facts of others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    Segment.id, Segment.prompt, Segment.ordinal, Segment.status, Segment.mask_no, Segment.category_id,
    Segment.label_source, Segment.confidence,
)  # fmt: skip


@dataclass(frozen=True)
class SlotImage:
    """The image whose slots are filled.

    prompts: the classes that the run looked for.
    absent: classes that the image does not show, says the source; their slots are emptied.
    only_adds: whether filled slots stay as they are, and slots without a segment are not emptied.
    """

    id: int
    sha256: str
    prompts: tuple[str, ...]
    absent: tuple[str, ...]
    only_adds: bool = False


class NewFacts:
    """Masks and facts of new segments, written at once for all images of a commit: a statement for each would take a
    good part of a commit's time, and nobody reads them before its end."""

    def __init__(self, connection: Connection, event: Callable[[], int]) -> None:
        self._connection, self._event = connection, event
        self._masks: list[dict[str, object]] = []
        self._facts: list[dict[str, object]] = []
        self._images: set[int] = set()

    def begin(self, image: int) -> None:
        """Start an image. If it was filled before in this commit, its facts are written first, to be read again."""
        if image in self._images:
            self.write()
        self._images.add(image)

    def add(self, mask: dict[str, object], fact: dict[str, object]) -> None:
        """Collect the mask and the fact of a new segment."""
        self._masks.append(mask)
        self._facts.append(fact)

    def write(self) -> None:
        """Write what was collected."""
        if self._masks:
            self._connection.execute(insert(Mask), self._masks)
            segment_facts.add_facts(self._connection, self._event(), self._facts)
        self._masks, self._facts = [], []


@dataclass(frozen=True)
class Filling:
    """The run that fills slots.

    event: returns the number of the run's event, made with its first fact.
    categories: rows of classes by name.
    new_facts: collects the facts of new segments.
    """

    run: OpenRun
    event: Callable[[], int]
    categories: Mapping[str, int]
    new_facts: NewFacts


@dataclass(frozen=True)
class Filled:
    """The slots of an image after a run.

    ids: rows of the run's segments, in their order; None for one whose slot stayed as it was.
    masks: the number of the mask of each.
    refilled: those that had a row before.
    retired: rows of slots that the run left empty.
    """

    ids: Sequence[int | None]
    masks: Mapping[int, int]
    refilled: list[int]
    retired: list[int]


def fill_slots(connection: Connection, filling: Filling, image: SlotImage, segments: Sequence[NewSegment]) -> Filled:
    """Fill the slots of an image with the segments of a run."""
    filling.new_facts.begin(image.id)
    rows = _rows(connection, filling.run, image)
    if image.only_adds:
        return _add_to_slots(connection, filling, image, segments, {(row.prompt, row.ordinal): row for row in rows})
    requested = {name_key(prompt) for prompt in image.prompts}
    existing = {(row.prompt, row.ordinal): row for row in rows if row.prompt in requested}
    slots = [(new, existing.pop((name_key(new.prompt), new.ordinal), None)) for new in segments]
    inserted = iter(_insert(connection, filling, image, [new for new, old in slots if old is None]))
    ids = [next(inserted) if old is None else int(old.id) for _, old in slots]
    masks = _refill(connection, filling, [(new, old) for new, old in slots if old is not None])
    absent = {name_key(name) for name in image.absent}  # only segments of this data set: others may know more
    unshown = [row for row in rows if row.prompt in absent and row.dataset_id == filling.run.dataset_id]
    surplus = [row.id for row in (*existing.values(), *unshown) if row.status != RETIRED]
    if surplus:
        segment_facts.add_same_fact(connection, filling.event(), surplus, present=False)
    return Filled(ids, {segment: masks.get(segment, 1) for segment in ids}, list(masks), surplus)


def _add_to_slots(
    connection: Connection, filling: Filling, image: SlotImage, segments: Sequence[NewSegment],
    existing: Mapping[tuple[str, int], Any],
) -> Filled:  # fmt: skip
    """Fill the slots of an image that have no segment, or a retired one."""
    slots = [(new, existing.get((name_key(new.prompt), new.ordinal))) for new in segments]
    inserted = iter(_insert(connection, filling, image, [new for new, old in slots if old is None]))
    retired = [(new, old) for new, old in slots if old is not None and old.status == RETIRED]
    taken_out = segment_facts.words_of(connection, [int(old.id) for _, old in retired], "retired")
    retired = [(new, old) for new, old in retired if not taken_out.get(int(old.id))]  # a person's word outlives it
    masks = _refill(connection, filling, retired, relabel=True)
    ids = [next(inserted) if old is None else int(old.id) if old.id in masks else None for _, old in slots]
    return Filled(ids, {row: masks.get(row, 1) for row in ids if row is not None}, list(masks), [])


def _refill(
    connection: Connection, filling: Filling, slots: Sequence[tuple[NewSegment, Any]], relabel: bool = False
) -> dict[int, int]:
    """Give filled slots the masks of the run; returns the mask's number by segment. An unchanged mask keeps its
    number.

    relabel: whether they also get the labels of the run, whatever they were called.
    """
    changed = [int(old.id) for new, old in slots if bytes(old.rle) != new.rle]
    newest = _newest_masks(connection, changed)
    masks = {int(old.id): newest[old.id] + 1 if old.id in newest else int(old.mask_no) for _, old in slots}
    rows = [_mask(new, old.id, masks[old.id]) for new, old in slots if old.id in newest]
    if rows:
        connection.execute(insert(Mask), rows)
    if slots:
        facts = [
            {
                "segment_id": old.id,
                **_drawn(filling.run, new, masks[old.id]),
                **(_label(filling, new) if relabel else _changed_label(new, old)),
            }
            for new, old in slots
        ]
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


def _rows(connection: Connection, run: OpenRun, image: SlotImage) -> Sequence[Any]:
    """Read every segment of this proposer in the image, with the data set of the run that made its mask. The rows are
    locked until the transaction ends: two runs must not number their masks alike."""
    query = (
        select(*SLOT, Mask.rle, Run.dataset_id)
        .join(Run, Run.id == Segment.run_id)
        .join(Mask, its_mask())
        .where(Segment.image_id == image.id, Segment.proposer_id == run.proposer_id)
        .order_by(Segment.id)
        .with_for_update(of=Segment, key_share=True)
    )
    return connection.execute(query).all()


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


def _insert(connection: Connection, filling: Filling, image: SlotImage, segments: Sequence[NewSegment]) -> list[int]:
    """Insert the rows of new segments at once, and collect their first facts. There are no others, so the rows need no
    settling."""
    if not segments:
        return []
    run = filling.run
    labels = [_label(filling, new) for new in segments]
    rows = [
        {"point_id": segment_id(image.sha256, run.proposer, new.prompt, new.ordinal), "image_id": image.id,
         "proposer_id": run.proposer_id, "prompt": name_key(new.prompt), "ordinal": new.ordinal, **label,
         "labelled_by": f"run {run.id}", "run_id": run.id, "score": new.score, "detector_score": new.detector_score,
         "mask_score": new.mask_score}
        for new, label in zip(segments, labels, strict=True)
    ]  # fmt: skip
    statement = insert(Segment).returning(Segment.id, sort_by_parameter_order=True)
    ids = list(connection.execute(statement, rows).scalars())
    for row, new, label in zip(ids, segments, labels, strict=True):
        filling.new_facts.add(_mask(new, row, 1), {"segment_id": row, **label, **_drawn(run, new, 1)})
    return ids
