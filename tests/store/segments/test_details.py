"""What is known of one segment: slot, photo, spaces, and every fact with the event behind it."""

from uuid import UUID

import numpy as np


def test_every_fact_stands_there_with_its_event_and_whether_it_was_undone(store, made):
    (name, _), one = next(iter(made.ids(store, "image_id = 1").items()))
    other = "tree" if name == "car" else "car"
    relabelled = store.segments.relabel([one], other, "ann")
    store.segments.quarantine([one], "bob")
    store.undo(relabelled.event, "eve")
    details = store.segments.details(one)
    assert (details.state, details.image, details.image_size, details.mask) == ("quarantined", "1.jpg", (4, 4), 1)
    assert details.spaces == ("test.backbone",) and details.ordinal == 0 and details.stored.id == one
    stored, label, hidden = details.facts
    assert (stored.action, stored.present, stored.mask, stored.run) == ("build", True, 1, 1)
    assert (label.class_name, label.actor, label.label_source, label.undone_by) == (other, "ann", "person", 4)
    assert (hidden.hidden, hidden.actor, hidden.undone_by, hidden.said()) == (True, "bob", None, "quarantined")
    assert label.said() == f"{other} by person" and "mask 1 of run 1" in stored.said()
    assert details.as_dict()["stored"]["status"] == "quarantined"
    assert store.segments.details(UUID(int=1)) is None


def test_vectors_are_read_whatever_the_state(store, made):
    ids = list(made.ids(store, "image_id = 1").values())
    before = store.segments.vectors(ids)
    store.classes.remove("road", "ann")
    store.segments.quarantine(ids[:1], "ann")
    after = store.segments.vectors([*ids, UUID(int=1)])
    assert set(after) == set(ids) and all((before[one] == after[one]).all() for one in ids)
    truth = made.unit(1).vectors
    assert min(float((truth @ after[one]).max()) for one in ids) > 0.999 and after[ids[0]].dtype == np.float32
