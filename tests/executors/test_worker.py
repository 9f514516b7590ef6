"""A worker finds records again by their position, and works as the asking process would."""

import pickle
from dataclasses import replace

import pytest
import torch

import retclip
from retclip.errors import SpaceMismatch
from retclip.executors.worker import Job, Ticket, Worker
from retclip.workflows.building.build_store import names_for
from retclip.workflows.building.unit_work import outcome_of
from retclip.workflows.building.units import Unit, storable


@pytest.fixture(scope="module")
def naming(world):
    settings = {"store": {"qdrant_api_key": "hunter2", "index": "resident"}, "weights": {"token": "hunter2"}}
    with retclip.open(world.folder / "workers", create=True, settings=settings) as memory:
        yield names_for(memory.session.builder(), memory.source(world.source), world.source, None), memory


@pytest.fixture
def job(naming, world):
    return Job.of(naming[1].settings, world.source, naming[0], "cpu", torch.get_num_threads())  # ours stay as they are


def units(naming, world):
    records = naming[1].source(world.source).images()
    return [
        Unit(storable(one), f"key {n}", "c", tuple(one.class_names or naming[0].names), (), n)
        for n, one in enumerate(records)
    ]


def test_a_job_travels_and_holds_no_secret(job):
    sent = pickle.dumps(job)
    assert b"hunter2" not in sent
    assert pickle.loads(sent) == job


def test_the_same_outcome_as_in_the_asking_process(naming, world, job):
    everyone = units(naming, world)
    found = Worker(job).work([Ticket.of(one) for one in everyone[:3]])
    for unit, outcome in zip(everyone, found, strict=False):
        here = outcome_of(naming[0], unit, unit.record.load())
        assert outcome.key == here.key and outcome.result.segments == here.result.segments
        assert (outcome.result.vectors == here.result.vectors).all()
        assert outcome.result.image_sha256 == here.result.image_sha256


def test_positions_may_come_in_any_order(naming, world, job):
    everyone, worker = units(naming, world), Worker(job)
    for at in (4, 1, 7, 7, 2):
        (outcome,) = worker.work([Ticket.of(everyone[at])])
        assert outcome.result.external_id == everyone[at].record.external_id


def test_a_source_that_changed_is_that_image_s_failure(naming, world, job):
    first, second = units(naming, world)[:2]
    worker = Worker(job)
    moved, beyond = replace(Ticket.of(first), external_id="other.png"), replace(Ticket.of(second), position=999)
    outcomes = {one.key: one for one in worker.work([moved, Ticket.of(second)]) + worker.work([beyond])}
    assert "do not change the data set while it is read" in outcomes["key 0"].reason
    assert "as image 999" in outcomes["key 1"].reason
    assert worker.work([Ticket.of(first)])[0].result is not None, "and it reads on from the start"


def test_other_weights_on_a_worker_are_refused(job):
    with pytest.raises(SpaceMismatch, match="bring the same weights"):
        Worker(replace(job, space="0" * 16)).work([])
