"""Two tasks with each worker, deaths survived image by image, errors of everybody raised."""

from concurrent.futures import Future
from threading import Timer

import pytest

from retclip.errors import ConfigError, WeightsMissing
from retclip.executors.in_flight import EACH, TRIES, InFlight
from retclip.plugin import SourceImage
from retclip.workflows.building.unit_work import Outcome, Task
from retclip.workflows.building.units import Unit


class Died(Exception):
    pass


class Scripted:
    """Workers that answer at once, or die of the images in `deadly`, as many times as it says."""

    def __init__(self, size, deadly=None, error=None, dead_at_start=(), stillborn=None):
        self.started, self.stillborn = [], dict(stillborn or {})
        self.size, self.deadly, self.error = size, dict(deadly or {}), error
        self.sent, self.replaced, self.dead = [], [], set(dead_at_start)

    def start(self, worker):
        future = Future()
        self.started.append(worker)
        if self.stillborn.get(worker, 0) > 0:
            self.stillborn[worker] -= 1
            future.set_exception(Died())
        else:
            future.set_result(worker)
        return future

    def submit(self, worker, tickets):
        if worker in self.dead:
            raise Died
        future, names = Future(), [one.external_id for one in tickets]
        self.sent.append((worker, names))
        fatal = [name for name in names if self.deadly.get(name, 0) > 0]
        if self.error:
            future.set_exception(self.error)
        elif fatal:
            self.deadly[fatal[0]] -= 1
            future.set_exception(Died())
        else:
            future.set_result([Outcome(one.key) for one in tickets])
        return future

    def cause(self, error):
        return None if isinstance(error, Died) else error

    def replace(self, worker):
        self.replaced.append(worker)
        self.dead.discard(worker)


class Queued(Scripted):
    """Workers that take a moment and then what waits in turn; with one that dies, all that waits behind is lost."""

    def __init__(self, size, deadly):
        super().__init__(size, deadly)
        self.waiting = [[] for _ in range(size)]

    def submit(self, worker, tickets):
        future, names = Future(), [one.external_id for one in tickets]
        self.sent.append((worker, names))
        self.waiting[worker].append((future, tickets))
        if len(self.waiting[worker]) == 1:
            Timer(0.05, self.work, (worker,)).start()
        return future

    def work(self, worker):
        queue, self.waiting[worker] = self.waiting[worker], []
        dead = False
        for future, tickets in queue:
            dead = dead or any(self.deadly.get(one.external_id, 0) > 0 for one in tickets)
            if dead:
                future.set_exception(Died())
            else:
                future.set_result([Outcome(one.key) for one in tickets])


def tasks(count, each=2, taken=None):
    for number in range(count):
        if taken is not None:
            taken.append(number)
        names = [f"{number}.{n}" for n in range(each)]
        yield Task(number, tuple(Unit(SourceImage(n, "", None, None), f"key {n}", "", (), ()) for n in names))


def keys(outcomes):
    return sorted(outcome.key for _, outcome in outcomes)


EVERY = sorted(f"key {task}.{n}" for task in range(6) for n in range(2))


def test_every_unit_comes_back_once_with_its_task():
    found = list(InFlight(Scripted(3)).outcomes(tasks(6)))
    assert keys(found) == EVERY
    assert all(any(unit.key == outcome.key for unit in task.units) for task, outcome in found)


@pytest.mark.parametrize("deadly", [f"{task}.{n}" for task in range(4) for n in range(2)])
def test_what_waits_behind_a_deadly_image_is_not_blamed(deadly):
    crew = Queued(2, {deadly: 99})
    found = {outcome.key: outcome for _, outcome in InFlight(crew).outcomes(tasks(6))}
    assert sorted(found) == EVERY
    assert [key for key, outcome in found.items() if outcome.reason] == [f"key {deadly}"]
    assert len(crew.replaced) == 1 + TRIES, "the task, and the image alone"


def test_no_more_tasks_are_taken_than_workers_hold():
    taken, crew = [], Scripted(2)
    outcomes = InFlight(crew).outcomes(tasks(100, taken=taken))
    next(outcomes)
    assert len(taken) <= 2 * EACH + 1
    assert len(list(outcomes)) == 199
    assert {worker for worker, _ in crew.sent} == {0, 1}


def test_a_worker_that_dies_once_costs_nothing():
    crew = Scripted(2, {"2.1": 1})
    found = list(InFlight(crew).outcomes(tasks(6)))
    assert keys(found) == EVERY and not any(outcome.reason for _, outcome in found)
    assert len(crew.replaced) == 1
    assert [names for _, names in crew.sent if len(names) == 1] == [["2.0"], ["2.1"]], "image by image then"


def test_of_an_image_that_kills_every_worker_only_it_is_lost():
    crew = Scripted(2, {"2.1": 100})
    found = list(InFlight(crew).outcomes(tasks(6)))
    assert keys(found) == EVERY
    assert [(one.key, one.reason) for _, one in found if one.reason] == [
        ("key 2.1", f"{TRIES} workers died of it: its size, or a plugin's fault")
    ]
    assert len(crew.replaced) == TRIES + 1


def test_two_tasks_that_die_together_replace_their_worker_once():
    class Together(Scripted):
        """Its first worker dies when it has two tasks."""

        def submit(self, worker, tickets):
            if len(self.sent) >= 2:
                return super().submit(worker, tickets)
            self.sent.append((worker, Future()))
            if len(self.sent) == 2:
                for _, future in self.sent:
                    future.set_exception(Died())
            return self.sent[-1][1]

    crew = Together(1)
    assert keys(InFlight(crew).outcomes(tasks(6))) == EVERY
    assert crew.replaced == [0]


def test_a_worker_found_dead_is_replaced_before_it_is_asked():
    crew = Scripted(2, dead_at_start={1})
    assert keys(InFlight(crew).outcomes(tasks(6))) == EVERY
    assert crew.replaced == [1]


def test_what_concerns_every_image_is_raised():
    missing = WeightsMissing("weights", "none", "pull them")
    with pytest.raises(WeightsMissing, match="pull them"):
        list(InFlight(Scripted(2, error=missing)).outcomes(tasks(6)))


def test_workers_that_never_come_up_are_no_image_s_fault():
    with pytest.raises(ConfigError, match="worker 1 died while it loaded"):
        list(InFlight(Scripted(2, stillborn={1: 1})).outcomes(tasks(6)))
    crew = Scripted(2, {"2.1": 1})
    assert keys(InFlight(crew).outcomes(tasks(6))) == EVERY
    assert crew.started[:2] == [0, 1] and crew.started[2:] == crew.replaced, "the new one, too, before it gets work"


def test_what_is_done_is_not_kept_waiting_by_a_stretch_without_work():
    crew, given = Scripted(1), []

    def slow():
        yield from tasks(1)
        for number in range(50):
            given.append(number)
            yield None

    outcomes = InFlight(crew).outcomes(slow())
    assert next(outcomes)[1].key == "key 0.0"
    assert len(given) <= 1
    assert keys(outcomes) == ["key 0.1"]


def test_no_tasks_no_outcomes():
    assert list(InFlight(Scripted(2)).outcomes(iter(()))) == []
