"""Trust follows every change of a store, and equals what a computation from nothing says."""

import pytest

import retclip
from retclip.errors import StoreMissing
from retclip.workflows.audit.trust import update_trust

ACTOR = "ann"


def rows(store):
    return {
        row.segment: (
            row.rev,
            row.category,
            row.suggested,
            *(value and round(value, 4) for value in (row.trust, row.own)),
        )
        for row in store.trust.kept()
    }


def computed_anew(store):
    """The rows of a computation from nothing; it leaves the store with them."""
    store.trust.keep([], [row.segment for row in store.trust.kept()])
    update_trust(store)
    return rows(store)


def ids_of(store, name):
    labels = store.trust.labels()
    return [label.id for label in labels if label.class_name == name]


def relabelled(store):
    first = store.trust.labels()[0]
    other = next(row.name for row in store.classes.all() if row.name != first.class_name and row.segments)
    return store.segments.relabel([first.id], other, ACTOR)


def test_every_visible_segment_is_judged_once(memory):
    store = memory.store
    assert not store.trust.state().current
    update = update_trust(store)
    total = sum(row.segments for row in store.classes.all())
    assert (update.segments, update.computed, update.changed) == (total, total, 0)
    assert store.trust.state().current
    again = update_trust(store)
    assert (again.segments, again.computed, again.changed, again.removed) == (total, 0, 0, 0)
    values = store.trust.values([label.id for label in store.trust.labels()])
    assert len(values) == total - update.without and all(0 <= value <= 1 for value in values.values())


@pytest.mark.parametrize(
    "change", ["relabel", "quarantine", "release", "undo", "merge", "remove", "build", "reject", "accept"]
)
def test_an_update_equals_a_computation_from_nothing(memory, built, change):
    store = memory.store
    update_trust(store)
    names = [row.name for row in store.classes.all() if row.segments]
    if change == "relabel":
        relabelled(store)
    elif change == "quarantine":
        store.segments.quarantine(ids_of(store, names[0])[:2], ACTOR)
    elif change == "release":
        hidden, before = ids_of(store, names[0])[:2], len(rows(store))
        store.segments.quarantine(hidden, ACTOR)
        update_trust(store)
        assert len(rows(store)) == before - 2
        store.segments.release(hidden, ACTOR)
    elif change == "reject":
        store.segments.reject(ids_of(store, names[0])[:2], names[0], ACTOR)
    elif change == "accept":
        edit, before = store.segments.reject(ids_of(store, names[0])[:2], names[0], ACTOR), len(rows(store))
        update_trust(store)
        assert len(rows(store)) == before - 2
        store.undo(edit.event, ACTOR)
    elif change == "undo":
        edit = relabelled(store)
        update_trust(store)
        store.undo(edit.event, ACTOR)
    elif change == "merge":
        store.classes.merge(names[0], names[1], ACTOR)
    elif change == "remove":
        store.classes.remove(names[0], ACTOR)
    else:
        memory.build(built.source.replace("split=train&count=6", "split=val&count=3"))
    assert not store.trust.state().current  # whatever did it, it is seen
    update = update_trust(store)
    assert store.trust.state().current
    followed = rows(store)
    assert followed == computed_anew(store)
    assert update.segments == len(followed)


def test_a_wrong_label_is_the_first_suspect_and_its_own_class_is_suggested(memory):
    store = memory.store
    update_trust(store)
    sure = [label for label in store.trust.labels() if label.trust is not None][-1]
    other = next(row.name for row in store.classes.all() if row.name not in (sure.class_name, sure.suggested))
    store.segments.relabel([sure.id], other, ACTOR)
    assert sure.id not in store.trust.values([sure.id])  # what was said of another label says nothing of this one
    update_trust(store)
    label = next(label for label in store.trust.labels() if label.id == sure.id)
    assert label.suggested == sure.class_name and label.trust < 0.5


def test_a_segment_rejected_for_its_own_label_is_no_member_of_its_class(memory):
    store = memory.store
    update_trust(store)
    name = max(store.classes.all(), key=lambda row: row.segments).name
    rejected, other = ids_of(store, name)[0], ids_of(store, name)[1]
    before = next(row for row in store.segments.coverage() if row.name == name)
    store.segments.reject([other], next(row.name for row in store.classes.all() if row.name != name), ACTOR)
    assert store.trust.state().current and other in store.trust.segments().ids  # of its own class it remains one
    store.segments.reject([rejected], name, ACTOR)
    assert rejected not in store.trust.segments().ids and rejected not in ids_of(store, name)
    update_trust(store)
    assert rejected not in store.trust.values([rejected, other]) and other in ids_of(store, name)
    after = next(row for row in store.segments.coverage() if row.name == name)
    assert (after.segments, after.images <= before.images) == (before.segments - 1, True)
    assert after.segments == next(row.segments for row in store.classes.all() if row.name == name)


def test_a_store_without_segments_is_refused(tmp_path):
    with (
        retclip.open(tmp_path / "empty", create=True) as opened,
        pytest.raises(StoreMissing, match="retclip build"),
    ):
        update_trust(opened.store)
