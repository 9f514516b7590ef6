"""Slots: the places of an image's segments, (image, proposer, prompt, ordinal). They are filled whole.

What a run finds takes the slots of its prompts in order; slots that are left over are retired, not forgotten. So are
those of classes that the same data set no longer shows in the image. A person's label and quarantine outlive it
all; vectors in other spaces outlive what leaves the mask as it was. What an addition replaces is kept for its undo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from retclip.names import name_key
from retclip.store.archive.vector_rows import forget_stale
from retclip.store.ids import segment_id, stored_name
from retclip.store.records import NewSegment, OpenRun
from retclip.store.segments.replaced_segments import keep
from retclip.store.sql.catalog import pages
from retclip.store.sql.tables import NORMAL, RETIRED, ImageRow, Label, Run, Segment


@dataclass(frozen=True)
class SlotImage:
    """The image whose slots are filled. prompts: what was asked for. absent: classes that the source says it does not
    show; their slots are emptied."""

    id: int
    sha256: str
    prompts: tuple[str, ...]
    absent: tuple[str, ...]


def fill_slots(
    connection: Connection, run: OpenRun, image: SlotImage, found: Sequence[NewSegment], categories: Mapping[str, int]
) -> tuple[list[int], list[int]]:
    """Row ids of the found segments in their order, and of the ones that were retired."""
    there = _there(connection, run, image)
    asked = {name_key(prompt) for prompt in image.prompts}
    existing = {(row.prompt, row.ordinal): row for row in there if row.prompt in asked}
    slots = [(new, existing.pop((name_key(new.prompt), new.ordinal), None)) for new in found]
    inserted = iter(_insert(connection, run, image, [new for new, old in slots if old is None], categories))
    ids = [next(inserted) if old is None else old.id for _, old in slots]
    refilled = [(new, old) for new, old in slots if old is not None]
    absent = {
        name_key(name) for name in image.absent
    }  # of these only what this data set put there: others may know more
    unshown = [row for row in there if row.prompt in absent and row.dataset_id == run.dataset_id]
    surplus = [row.id for row in (*existing.values(), *unshown) if row.status != RETIRED]
    keep(connection, run, [old.id for _, old in refilled], surplus)
    for new, old in refilled:
        status = NORMAL if old.status == RETIRED else old.status
        values = {**_values(run, new), "status": status, "rev": Segment.rev + 1}
        connection.execute(update(Segment).where(Segment.id == old.id).values(**values))
    forget_stale(connection, run.space_id, [old.id for new, old in refilled if bytes(old.rle) != new.rle])
    if surplus:
        retire = update(Segment).where(Segment.id.in_(surplus))
        connection.execute(retire.values(status=RETIRED, rev=Segment.rev + 1))
    return ids, surplus


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
    """Every segment that this proposer has in the image, with the data set of the run that made it."""
    query = (
        select(Segment.prompt, Segment.ordinal, Segment.id, Segment.status, Segment.rle, Run.dataset_id)
        .join(Run, Run.id == Segment.run_id)
        .where(Segment.image_id == image.id, Segment.proposer_id == run.proposer_id)
    )
    return connection.execute(query).all()


def _values(run: OpenRun, new: NewSegment) -> dict[str, object]:
    x, y, width, height = new.box
    box = {"x": x, "y": y, "width": width, "height": height, "area": new.area}
    scores = {"score": new.score, "detector_score": new.detector_score, "mask_score": new.mask_score}
    return {**box, **scores, "rle": new.rle, "run_id": run.id}


def _insert(
    connection: Connection, run: OpenRun, image: SlotImage, found: Sequence[NewSegment], categories: Mapping[str, int]
) -> list[int]:
    """Rows and first labels of new segments, all at once: a statement for each would be half of a commit's time."""
    if not found:
        return []
    rows = [
        {"point_id": segment_id(image.sha256, run.proposer, new.prompt, new.ordinal), "image_id": image.id,
         "category_id": categories[new.prompt], "proposer_id": run.proposer_id, "prompt": name_key(new.prompt),
         "ordinal": new.ordinal, **_values(run, new)}
        for new in found
    ]  # fmt: skip
    statement = insert(Segment).returning(Segment.id, sort_by_parameter_order=True)
    ids = list(connection.execute(statement, rows).scalars())
    labels = [
        {"segment_id": each, "category_id": categories[new.prompt], "source": new.label_source,
         "confidence": new.confidence, "actor": f"run {run.id}"}
        for each, new in zip(ids, found, strict=True)
    ]  # fmt: skip
    connection.execute(insert(Label), labels)
    return ids
