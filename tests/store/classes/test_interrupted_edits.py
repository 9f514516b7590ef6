"""A correction that is stopped at any step is whole or not at all, never returns what was hidden, and is linked."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from retclip.store.index import reconcile
from retclip.store.records import SegmentFilter


def near(store, made) -> set:
    """Every segment that any question returns."""
    vectors = torch.eye(made.dim)
    categories = [store_class.id for store_class in store.classes.all()]
    neighbours = store.nearest(vectors, categories, 50, False)
    nearest = {segment for row in neighbours.ids for segment in row if segment is not None}
    searched = {hit for vector in vectors for hit in store.search(vector.numpy(), SegmentFilter(), 100).ids}
    assert searched == nearest
    return nearest


CHANGES = {
    "relabel": lambda store, ids: store.segments.relabel(ids, "tree", "ann"),
    "quarantine": lambda store, ids: store.segments.quarantine(ids, "ann"),
    "retire": lambda store, ids: store.segments.retire(ids, "ann"),
    "undo": lambda store, _: store.undo(store.history.log()[-1].id, "ann"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_every_step_can_be_the_last(work, made, stopped_at, kind: str) -> None:
    """For each step: a fresh segment is changed, the program stops there, another process opens the store."""
    work.fill(work.open(), range(4))
    work.close()
    step, stopped = 0, True
    while stopped:
        store = work.open()
        assert len(near(store, made)) == 4 * 6
        ids = [segment for (prompt, _), segment in made.ids(store, "image_id = 1").items() if prompt != "tree"]
        if kind == "undo":
            store.segments.quarantine(ids, "ann")
        before = {segment.status + segment.class_name for segment in store.segments.get(ids).values()}
        links = len(store.history.log())
        stopped = stopped_at(step, partial(CHANGES[kind], store, ids))
        work.close()
        store = work.open()
        known = store.segments.get(ids)
        after = {segment.status + segment.class_name for segment in known.values()}
        happened = len(store.history.log()) == links + 1
        assert happened or (stopped and after == before), f"half of it after step {step}"
        hidden = {number for number, segment in known.items() if segment.status != "visible"}
        assert not hidden & near(store, made) and (len(hidden) == len(ids) or not hidden)
        differences = reconcile.differences(store.projection())
        assert differences.clean and differences.pending == 0 and store.history.check_chain().whole
        for event in reversed(store.history.log()[1:]):  # back to how it was, for the next step
            if event.undone_by is None and event.action != "undo":
                store.undo(event.id, "ann")
        work.close()
        step += 1
    assert step > 4, "the protocol has more steps than that"
