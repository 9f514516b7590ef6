"""Behind the gate either all sources of a class stay, or the store is exactly as before."""

import pytest
import torch
from sqlalchemy import select

from retclip.errors import DataError
from retclip.store.index import reconcile
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import RETIRED, Category, CategoryAlias, Segment
from retclip.types import Image, MaskProposals
from retclip.workflows.building.build_store import build_store
from retclip.workflows.classes.addition import Addition
from retclip.workflows.classes.checked_addition import Gate, add_class_checked
from retclip.workflows.classes.regression_check import RegressionCheck


@pytest.fixture
def store(fresh, kit):
    """Grass and cars; what is blue is taken for grass."""
    build_store(kit.parts(fresh.store), kit.Source([kit.picture("grass", "car")]), "listed:old")
    return fresh.store


def sources(kit, *more):
    return [(kit.Source([kit.picture("sky", "sand", seed=n)]), f"listed:{n}") for n in (1, 2)] + list(more)


def probe(kit, *extra):
    """A plain photo, a third of whose grass is blue in truth."""
    images = [kit.picture("grass", "sky", seed=7), kit.picture("grass", "car", seed=8)]
    return kit.Source([*(Image(one.pixels, one.sha256, one.uri) for one in images), *extra], ())


def add(store, kit, limit, name="sky", given=None, **options):
    gate = Gate(probe(kit), limit, "ann")
    return add_class_checked(
        kit.parts(store), kit.voting(store), Addition(name, given or sources(kit)), gate, **options
    )


def whole_image(image, vocabulary):
    return MaskProposals(torch.ones(1, 1, 1), torch.ones(1), image.size, vocabulary.names[:1])


def rows(store):
    """All segments, classes and aliases by id, revisions included."""
    with transaction(store.engine) as connection:
        return [
            {row.id: tuple(row) for row in connection.execute(select(*table.__table__.columns)).all()}
            for table in (Segment, Category, CategoryAlias)
        ]


def answers(store):
    vectors = torch.nn.functional.normalize(torch.tensor([[40.0, 90, 220], [30, 160, 40], [210, 30, 30]]), dim=-1)
    near = store.nearest(vectors, [one.id for one in store.classes.all()], 4, False)
    return near.ids.tolist(), near.classes.tolist(), near.distances.tolist()


def as_before(store, kept_rows, classes, near):
    for earlier, now in zip(kept_rows, rows(store), strict=True):
        assert {key: now[key] for key in earlier} == earlier, "no other segment, class or alias was touched"
    segments, categories, _ = rows(store)
    with transaction(store.engine) as connection:
        alive = connection.execute(select(Segment.id).where(Segment.status != RETIRED)).scalars().all()
    assert set(alive) == set(kept_rows[0]) and len(segments) > len(alive)
    assert store.classes.all() == classes and len(categories) == len(kept_rows[1]) + 1
    assert answers(store) == near
    assert reconcile.differences(store.projection()).clean


def test_within_the_limit_all_sources_stay(store, kit):
    done = add(store, kit, 34.0)
    assert done.kept and done.undone == () and done.check.worse == ()
    assert [one.segments for one in done.runs] == [1, 1] and len(done.events) == 2
    assert {one.name: one.segments for one in store.classes.all()} == {"car": 1, "grass": 1, "sky": 2}
    assert done.check.classes[0].name == "grass" and done.check.classes[0].lost == pytest.approx(100 / 3)


def test_above_it_all_go_and_the_store_is_exactly_as_before(store, kit):
    before = rows(store), store.classes.all(), answers(store)
    done = add(store, kit, 33.0)
    assert not done.kept and [one.name for one in done.check.worse] == ["grass"]
    as_before(store, *before)
    told = [(one.action, one.actor, one.target) for one in store.classes.history()]
    first, second = done.events
    assert [one[0] for one in told] == ["class.add", "class.add", "undo", "undo"]
    assert told[2:] == [("undo", "ann", str(second)), ("undo", "ann", str(first))], "the newest first"
    again = add(store, kit, 34.0)
    assert again.kept and [one.segments for one in again.runs] == [1, 1], "what went back may be added again"


def test_without_a_limit_it_is_only_told(store, kit):
    done = add(store, kit, None)
    assert done.kept and done.check.limit is None and done.check.classes[0].to_new == 192


def test_a_bad_probe_costs_nothing(store, kit):
    before = rows(store)
    gate = Gate(kit.Source([DataError("a photo", "none", "copy it")], ()), 1.0)
    with pytest.raises(DataError, match="readable photo to probe with"):
        add_class_checked(kit.parts(store), kit.voting(store), Addition("sky", sources(kit)), gate)
    assert rows(store) == before
    assert store.classes.history() == []


class Interrupted:
    """A source that is stopped after its first image."""

    def __init__(self, kit, error):
        self.inner, self.error, self.name = kit.Source([kit.picture("sky", "sand", seed=n) for n in (3, 4)]), error, "x"
        self.classes, self.loads = self.inner.classes, 0

    def __len__(self):
        return 2

    def images(self):
        for number, record in enumerate(self.inner.images()):
            if number:
                raise self.error
            yield record


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is gone")], ids=["ctrl-c", "fault"])
def test_an_addition_that_stops_cannot_be_judged_and_goes_back(store, kit, error):
    parts = kit.parts(store)
    parts = type(parts)(**{**vars(parts), "settings": parts.settings.model_copy(
        update={"build": parts.settings.build.model_copy(update={"commit_images": 1})})})  # fmt: skip
    before = rows(store), store.classes.all(), answers(store)
    given = sources(kit, (Interrupted(kit, error), "stopped:x"))
    with pytest.raises(type(error)):
        add_class_checked(parts, kit.voting(store), Addition("sky", given), Gate(probe(kit), 90.0, "ann"))
    as_before(store, *before)
    assert [one.action for one in store.classes.history()] == ["class.add"] * 3 + ["undo"] * 3
    with pytest.raises(type(error)):
        add_class_checked(parts, kit.voting(store), Addition("sky", given), Gate(probe(kit), None, "ann"))
    assert {one.name: one.segments for one in store.classes.all()}["sky"] == 3, "without a limit nothing is taken back"


def test_more_of_a_class_that_is_there_leaves_what_it_had(store, kit):
    done = add(store, kit, 10.0, name="car", given=[(kit.Source([kit.picture("car", "sand", seed=5)]), "listed:5")])
    assert done.kept and done.check.new.name == "car"
    held, near = rows(store), answers(store)
    blue = Image(kit.picture("sky", "sky", seed=9).pixels, "9" * 64, "/photos/blue.png")
    given = [(kit.Source([blue], ()), "listed:blue")]
    parts, addition = kit.parts(store, whole_image), Addition("car", given)
    gone = add_class_checked(parts, kit.voting(store), addition, Gate(probe(kit), 10.0))
    assert not gone.kept and [one.name for one in gone.check.worse] == ["grass"]
    assert {key: rows(store)[0][key] for key in held[0]} == held[0] and answers(store) == near
    assert {one.name: one.segments for one in store.classes.all()} == {"car": 2, "grass": 1}


def test_the_steps_are_told_in_order(store, kit):
    steps = []
    add(store, kit, 90.0, on_progress=lambda now: steps.append((now.task, now.done, now.total)))
    assert list(dict.fromkeys(task for task, _, _ in steps)) == ["probe before", "add sky", "probe after"]
    assert ("probe before", 2, 2) in steps and ("add sky", 1, 1) in steps


def test_the_source_says_whether_a_class_counts(store, kit):
    given = [(kit.Source([kit.picture("sky", "car", seed=3)]), "listed:3")]
    assert add(store, kit, None, given=given).check.new.after > 0
    told = {one.name: one.is_thing for one in store.classes.all()}
    assert told["sky"] is False


def stopped(store, kit, given, at):
    """The gate of a process that is killed there: neither its roll-back nor its event is reached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store), "undo_all", lambda *_: ())
        if at == "event":
            patch.setattr(type(store.classes), "finish_addition", lambda *_: 0)
        else:
            patch.setattr(RegressionCheck, "after", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            add(store, kit, 33.0, given=given)


@pytest.mark.parametrize("at", ["event", "after"])
def test_what_a_kill_left_behind_is_taken_back_before_the_gate_looks(store, kit, at):
    before = rows(store), store.classes.all(), answers(store)
    bad = (kit.Source([kit.picture("sky", "sand", seed=3)]), "listed:x")
    given = sources(kit, *([bad] if at == "event" else []))
    bad[0].images = lambda: 1 / 0  # the last source of the addition that is cut off
    stopped(store, kit, given, at)
    assert {one.name: one.segments for one in store.classes.all()}["sky"] == 2
    done = add(store, kit, 33.0)
    left = done.taken_back
    assert len(left) == (1 if at == "event" else 2)
    assert not done.kept and [one.name for one in done.check.worse] == ["grass"], "judged as if it were the first time"
    as_before(store, *before)
    again = add(store, kit, 34.0)
    assert again.kept and again.taken_back == ()


def test_two_sources_of_one_photo_both_go(store, kit):
    """The second annotates the photo of the first otherwise, so it fills the same slots."""
    before = rows(store), store.classes.all(), answers(store)
    image = kit.picture("sky", "sand", seed=1)
    other = kit.picture("sand", "sky", seed=2)
    again = Image(image.pixels, image.sha256, image.uri, other.truth)
    given = [(kit.Source([image]), "listed:1"), (kit.Source([again]), "listed:2")]
    done = add(store, kit, 0.0, given=given)
    assert not done.kept and [one.segments for one in done.runs] == [1, 1]
    as_before(store, *before)
