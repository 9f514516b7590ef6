"""The loop commits what comes back, whole groups at a time, whatever order it comes in and whoever did it."""

import random
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from retclip.config import load
from retclip.errors import StoreBusy
from retclip.passed_over import BadPart, PassedOver
from retclip.store.sql.columns import now
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Run, Segment, Shard, Unit
from retclip.store.work.leases import LEASE
from retclip.workflows.building.build_loop import BuildReport, signs_of_life
from retclip.workflows.building.build_store import build_store
from retclip.workflows.building.unit_work import Outcome, outcome_of


def answers(fresh, query):
    with transaction(fresh.store.engine) as connection:
        return [tuple(row) for row in connection.execute(query)]


@pytest.fixture
def build(fresh, kit):
    def run(images, start=None, commit=2, **options):
        parts = kit.parts(fresh.store, settings=load(None, {"build": {"commit_images": commit}}))
        more = {"start": start} if start else {}
        return build_store(parts, kit.Source(images), "listed:x", **more, **options)

    return run


@contextmanager
def shuffled(naming):
    """Everybody's work at once, back in any order, as from several workers."""

    def outcomes(tasks):
        everything = [(task, unit) for task in tasks if task for unit in task.units]
        random.Random(1).shuffle(everything)
        for task, unit in everything:
            yield task, outcome_of(naming, unit, unit.record.load())

    yield outcomes


def test_in_any_order_the_same_store_in_whole_groups(fresh, build, kit):
    seen = []
    report = build([kit.picture(seed=n) for n in range(7)], shuffled, on_progress=lambda one: seen.append(one.done))
    assert (report.images, report.segments, report.seen) == (7, 14, 7)
    assert sorted(answers(fresh, select(Shard.row_count))) == [(2,), (4,), (4,), (4,)]
    assert seen == sorted(seen) and len(seen) == 4
    assert sorted(answers(fresh, select(Unit.state))) == [("finished",)] * 7


def test_a_stop_in_the_middle_keeps_what_came_back_and_frees_the_rest(fresh, build, kit):
    @contextmanager
    def stopping(naming):
        def outcomes(tasks):
            first, second = next(tasks), next(tasks)
            assert None not in (first, second)
            yield first, outcome_of(naming, first.units[0], first.units[0].record.load())
            yield second, outcome_of(naming, second.units[1], second.units[1].record.load())
            raise KeyboardInterrupt

        yield outcomes

    images = [kit.picture(seed=n) for n in range(6)]
    with pytest.raises(KeyboardInterrupt):
        build(images, stopping)
    assert answers(fresh, select(Unit.state)) == [("finished",)] * 2, "no lease is left"
    assert answers(fresh, select(Run.state)) == [("interrupted",)]
    again = build(images)
    assert (again.skipped, again.images, again.failures) == (2, 4, ())


def test_what_another_process_works_on_is_counted_and_left(fresh, build, kit):
    images = [kit.picture(seed=n) for n in range(3)]
    build(images)
    with transaction(fresh.store.engine, write=True) as connection:
        values = {"state": "leased", "owner": "elsewhere/1/0.0", "leased_until": now() + LEASE}
        connection.execute(update(Unit).where(Unit.external_id == "item1").values(**values))
    report = build(images)
    assert (report.skipped, report.elsewhere, report.images, report.without_work) == (2, 1, 0, 3)


def test_an_image_on_which_a_process_died_is_worked_on_alone(fresh, build, kit):
    images = [kit.picture(seed=n) for n in range(4)]
    build(images)
    with transaction(fresh.store.engine, write=True) as connection:
        held = {"state": "leased", "owner": "elsewhere/1/0.0", "leased_until": now() - LEASE}
        values = {**held, "attempts": 0, "begun": True}
        connection.execute(update(Unit).values(**values))
        connection.execute(Unit.__table__.delete().where(Unit.external_id.in_(["item1", "item3"])))
    groups = []

    @contextmanager
    def noting(naming):
        def outcomes(tasks):
            for task in tasks:
                groups.append([unit.record.external_id for unit in task.units])
                yield from ((task, outcome_of(naming, unit, unit.record.load())) for unit in task.units)

        yield outcomes

    assert build(images, noting, commit=4).images == 4
    assert groups == [["item1", "item3"], ["item0"], ["item2"]]
    assert len(answers(fresh, select(Segment.id))) == 8


def test_a_reason_is_a_failure_of_its_image_and_the_group_goes_on(fresh, build, kit):
    @contextmanager
    def half(naming):
        def outcomes(tasks):
            for task in tasks:
                yield task, Outcome(task.units[0].key, reason="the worker died")
                yield from ((task, outcome_of(naming, unit, unit.record.load())) for unit in task.units[1:])

        yield outcomes

    report = build([kit.picture(seed=n) for n in range(4)], half)
    assert [(one.external_id, one.reason) for one in report.failures] == [
        ("item0", "the worker died"),
        ("item2", "the worker died"),
    ]
    assert (report.images, report.seen) == (2, 4)


def test_leases_are_renewed_while_the_work_takes_its_time(fresh, monkeypatch):
    heard, enough = [], threading.Event()

    def renew(store, run):
        heard.append(run)
        if len(heard) == 1:
            raise StoreBusy("the catalog to be free", "locked", "wait")
        enough.set()

    monkeypatch.setattr(type(fresh.store.runs), "renew_leases", renew)
    with signs_of_life(fresh.store, "a run", every=0.001):
        assert enough.wait(30), "a beat that failed is not the last one"
    count = len(heard)
    assert not [one for one in threading.enumerate() if one.name == "signs of life"]
    assert len(heard) == count and set(heard) == {"a run"}


def test_a_stretch_without_work_lets_others_look_after_what_is_out(fresh, build, kit):
    images, seen = [kit.picture(seed=n) for n in range(6)], []
    build(images[:4])

    @contextmanager
    def noting(naming):
        def outcomes(tasks):
            for task in tasks:
                seen.append(task and len(task.units))
                for unit in task.units if task else ():
                    yield task, outcome_of(naming, unit, unit.record.load())

        yield outcomes

    assert build(images, noting).images == 2
    assert seen == [None, None, 2]


def test_the_same_photo_twice_is_one_image(fresh, build, kit):
    one, other = kit.picture(), kit.picture(seed=1)
    report = build([one, one, other, one], commit=2)
    assert (report.total, report.images, report.skipped, report.segments, report.seen) == (4, 2, 2, 4, 4)
    assert len(answers(fresh, select(Segment.id))) == 4
    shuffling = build([kit.picture(seed=7), kit.picture(seed=8), kit.picture(seed=7)], shuffled, commit=2)
    assert (shuffling.images, shuffling.skipped) == (2, 1), "also while the first of them is still worked on"


def test_a_report_counts_every_image_once():
    report = BuildReport(total=9, images=2, skipped=3, empty=1, elsewhere=1)
    assert (report.without_work, report.seen) == (5, 7)
    assert report.counts()["elsewhere"] == 1 and report.counts()["failures"] == 0


def test_what_source_and_images_passed_over_is_summed_by_reason_and_listed(fresh, build, kit, monkeypatch):
    part = PassedOver({"objects": 1}, (BadPart("object 7", "a.png", "no mask"),), {"turned": 1})
    beside = PassedOver({"rows": 2, "files": 3}, (BadPart("row 5", "a.csv", "no number"),))
    monkeypatch.setattr(kit.Source, "passed_over", lambda source: beside, raising=False)
    pictures = [kit.picture(seed=number) for number in range(3)]
    images = [replace(pictures[0], passed_over=part), replace(pictures[1], passed_over=part), pictures[2]]
    steps = []
    report = build(images, on_progress=lambda one: steps.append((one.done, one.failed)))
    assert dict(report.passed_over) == {"rows": 2, "files": 3, "objects": 2} and dict(report.assumed) == {"turned": 2}
    assert [one.external_id for one in report.failures] == ["row 5", "object 7", "object 7"]
    assert (report.images, report.seen, report.bad_parts) == (3, 3, 3) and steps[-1] == (3, 3)
    ((counts,),) = answers(fresh, select(Run.counts))
    assert counts["passed_over"] == {"rows": 2, "files": 3, "objects": 2} and counts["failures"] == 3
