"""Slots: the places of an image's segments, (image, proposer, prompt, ordinal). They are filled whole.

What a run finds takes the slots of its prompts in order; slots that are left over are retired, not forgotten. So are
those of classes that the same data set no longer shows in the image. A person's label and quarantine outlive it
all; vectors in other spaces outlive what leaves the mask as it was. All of it is facts under the run's event, so that
its undo leaves what others said.
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
from retclip.store.sql.catalog import its_mask, pages
from retclip.store.sql.tables import RETIRED, ImageRow, Mask, Run, Segment
from retclip.store.states import LabelSource

SLOT = (
    Segment.id, Segment.prompt, Segment.ordinal, Segment.status, Segment.mask_no, Segment.category_id,
    Segment.label_source, Segment.confidence,
)  # fmt: skip


@dataclass(frozen=True)
class SlotImage:
    """The image whose slots are filled. prompts: what was asked for. absent: classes that the source says it does not
    show; their slots are emptied."""

    id: int
    sha256: str
    prompts: tuple[str, ...]
    absent: tuple[str, ...]


class FirstSaid:
    """Masks and facts of new segments, which nobody asks for before the commit's end: written at once for all images,
    for a statement for each would be a good part of a commit's time."""

    def __init__(self, connection: Connection, event: Callable[[], int]) -> None:
        self._connection, self._event = connection, event
        self._masks: list[dict[str, object]] = []
        self._facts: list[dict[str, object]] = []
        self._images: set[int] = set()

    def begin(self, image: int) -> None:
        """An image is filled next: what one that came before had to say of it must be there."""
        if image in self._images:
            self.write()
        self._images.add(image)

    def add(self, mask: dict[str, object], fact: dict[str, object]) -> None:
        """Keep what is said of one segment."""
        self._masks.append(mask)
        self._facts.append(fact)

    def write(self) -> None:
        """Write what was kept."""
        if self._masks:
            self._connection.execute(insert(Mask), self._masks)
            segment_facts.add_facts(self._connection, self._event(), self._facts)
        self._masks, self._facts = [], []


@dataclass(frozen=True)
class Filling:
    """What fills slots. event: the run's number, asked for where there is something to say. categories: by name."""

    run: OpenRun
    event: Callable[[], int]
    categories: Mapping[str, int]
    first: FirstSaid


@dataclass(frozen=True)
class Filled:
    """What became of an image's slots. ids: row ids of the found segments in their order. masks: of each the number of
    its mask. again: those of them that were there before. retired: those that were not found."""

    ids: list[int]
    masks: Mapping[int, int]
    again: list[int]
    retired: list[int]


def fill_slots(connection: Connection, by: Filling, image: SlotImage, found: Sequence[NewSegment]) -> Filled:
    """Say what a run found in an image."""
    by.first.begin(image.id)
    there = _there(connection, by.run, image)
    asked = {name_key(prompt) for prompt in image.prompts}
    existing = {(row.prompt, row.ordinal): row for row in there if row.prompt in asked}
    slots = [(new, existing.pop((name_key(new.prompt), new.ordinal), None)) for new in found]
    inserted = iter(_insert(connection, by, image, [new for new, old in slots if old is None]))
    ids = [next(inserted) if old is None else int(old.id) for _, old in slots]
    masks = _fill_again(connection, by, [(new, old) for new, old in slots if old is not None])
    absent = {
        name_key(name) for name in image.absent
    }  # of these only what this data set put there: others may know more
    unshown = [row for row in there if row.prompt in absent and row.dataset_id == by.run.dataset_id]
    surplus = [row.id for row in (*existing.values(), *unshown) if row.status != RETIRED]
    if surplus:
        segment_facts.add_same_fact(connection, by.event(), surplus, present=False)
    return Filled(ids, {one: masks.get(one, 1) for one in ids}, list(masks), surplus)


def _fill_again(connection: Connection, by: Filling, slots: Sequence[tuple[NewSegment, Any]]) -> dict[int, int]:
    """Give slots that are there the masks of the run; by segment the number of its mask. The same mask keeps it."""
    other = [int(old.id) for new, old in slots if bytes(old.rle) != new.rle]
    newest = _newest_masks(connection, other)
    masks = {int(old.id): newest[old.id] + 1 if old.id in newest else int(old.mask_no) for _, old in slots}
    rows = [_mask(new, old.id, masks[old.id]) for new, old in slots if old.id in newest]
    if rows:
        connection.execute(insert(Mask), rows)
    if slots:
        facts = [{"segment_id": old.id, **_drawn(by.run, new, masks[old.id]), **_sure_again(new, old)}
                 for new, old in slots]  # fmt: skip
        for same_columns in ([one for one in facts if ("confidence" in one) == label] for label in (False, True)):
            segment_facts.add_facts(connection, by.event(), same_columns)
        segment_facts.settle(connection, masks, moved=masks)
    return masks


def _newest_masks(connection: Connection, segment_ids: Sequence[int]) -> dict[int, int]:
    """Of each segment the highest number of a mask, held or not."""
    query = select(Mask.segment_id, func.max(Mask.number)).group_by(Mask.segment_id)
    return {
        row[0]: row[1]
        for page in pages(segment_ids)
        for row in connection.execute(query.where(Mask.segment_id.in_(page)))
    }


def images_with_slots(
    connection: Connection, run: OpenRun, external_ids: Sequence[str], prompts: Sequence[str]
) -> set[str]:
    """Those of the data set's images in which this proposer once found one of the prompts: when the annotation shows
    none of them any more, there is something to retire."""
    known: set[str] = set()
    keys = [name_key(prompt) for prompt in prompts]
    query = (
        select(ImageRow.external_id)
        .join(Segment, Segment.image_id == ImageRow.id)
        .join(Run, Run.id == Segment.run_id)
        .where(Run.dataset_id == run.dataset_id, Segment.proposer_id == run.proposer_id, Segment.status != RETIRED)
        .where(Segment.prompt.in_(keys))
    )
    for page in pages(list(map(stored_name, external_ids))):
        known |= set(connection.execute(query.where(ImageRow.external_id.in_(page))).scalars())
    return {name for name in external_ids if stored_name(name) in known}


def _there(connection: Connection, run: OpenRun, image: SlotImage) -> Sequence[Any]:
    """Every segment that this proposer has in the image, with the data set of the run that made its mask. Held until
    the transaction ends: two runs must not number their masks alike."""
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
    """What a run says of a segment that it found."""
    scores = {"score": new.score, "detector_score": new.detector_score, "mask_score": new.mask_score}
    return {"run_id": run.id, "mask_no": number, **scores, "present": True}


def _sure_again(new: NewSegment, old: Any) -> dict[str, object]:
    """What a run says of the label of a slot that is there: nothing where a person gave it, or it is as sure as it was.
    Its class stays: a prompt is one class."""
    if old.label_source == LabelSource.PERSON:
        return {}
    if (old.label_source, old.confidence) == (new.label_source, new.confidence):
        return {}
    return {"category_id": old.category_id, "label_source": new.label_source, "confidence": new.confidence}


def _insert(connection: Connection, by: Filling, image: SlotImage, found: Sequence[NewSegment]) -> list[int]:
    """Rows of new segments, all at once, and what is said of them first. Nothing else was said, so their rows say the
    same without being settled."""
    if not found:
        return []
    run = by.run
    labels = [
        {"category_id": by.categories[new.prompt], "label_source": new.label_source, "confidence": new.confidence}
        for new in found
    ]
    rows = [
        {"point_id": segment_id(image.sha256, run.proposer, new.prompt, new.ordinal), "image_id": image.id,
         "proposer_id": run.proposer_id, "prompt": name_key(new.prompt), "ordinal": new.ordinal, **label,
         "labelled_by": f"run {run.id}", "run_id": run.id, "score": new.score, "detector_score": new.detector_score,
         "mask_score": new.mask_score}
        for new, label in zip(found, labels, strict=True)
    ]  # fmt: skip
    statement = insert(Segment).returning(Segment.id, sort_by_parameter_order=True)
    ids = list(connection.execute(statement, rows).scalars())
    for each, new, label in zip(ids, found, labels, strict=True):
        by.first.add(_mask(new, each, 1), {"segment_id": each, **label, **_drawn(run, new, 1)})
    return ids
