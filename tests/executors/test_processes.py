"""Worker processes: the same store as by one process, also when one of them is killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial

import psutil
import pytest

import retclip
from retclip.errors import SpaceMismatch
from retclip.executors import others_work, processes, starter
from retclip.executors.in_flight import InFlight
from retclip.executors.worker import Job
from retclip.workflows.building.unit_work import in_this_process


def is_worker(process):
    """Whether it runs as one; of what has just ended nobody may have asked for the exit code."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_one_worker_is_this_process(world):
    from retclip.config import load

    assert starter(load(None, {"device": {"name": "cpu"}}), world.source) is in_this_process
    assert starter(load(None, {"build": {"workers": 1}, "device": {"name": "cpu"}}), world.source) is in_this_process


@pytest.mark.parametrize(("section", "precision"), [({"workers": 1}, "bfloat16"), ({"workers": 2}, "float32"),
                                                    ({"executor": "ray"}, "float32")])  # fmt: skip
def test_who_only_hands_out_work_keeps_its_models_off_the_device(tmp_path, section, precision):
    """There may be no GPU here, so precision tells whether a model is on the device that is set."""
    settings = {"build": section, "device": {"name": "cpu", "dtype": "bfloat16"}, "store": {"index": "resident"}}
    with retclip.open(tmp_path / "store", create=True, settings=settings) as memory:
        mine, adding = memory.session.builder(others_work(memory.settings)), memory.session.builder()
        assert mine.backbone.device.dtype == mine.proposer.device.dtype == precision
        assert adding.backbone.device.dtype == "bfloat16", "what this process works on itself"


def test_two_processes_make_the_same_store(world, alone):
    report, segments = world.build("two", workers=2)
    assert segments == alone[1]
    assert (report.images, report.segments, dict(report.per_class)) == (
        alone[0].images, alone[0].segments, dict(alone[0].per_class))  # fmt: skip
    assert world.build("two", workers=2)[0].skipped == report.images
    _, left = psutil.wait_procs([one for one in psutil.Process().children() if is_worker(one)], timeout=30)
    assert left == [], "workers outlive the build"


def test_two_processes_name_by_the_majority_as_one_does(world):
    patches = {"proposer": "reference.superpixels"}
    (report, segments), (by_two, same) = world.build("patches", **patches), world.build("by_two", workers=2, **patches)
    assert same == segments and dict(by_two.per_class) == dict(report.per_class)
    assert dict(by_two.passed_over) == dict(report.passed_over) != {}, "some patch has no majority"
    assert len({confidence for _, _, _, confidence, *_ in segments}) > 2


def test_a_killed_process_costs_nothing(world, alone):
    killed = []

    def start(settings):
        @contextmanager
        def started(naming):
            jobs = [Job.of(settings, world.source, naming, "cpu", 1) for _ in range(2)]
            crew = processes.Processes(jobs)

            killed.append(crew.start(0).result())

            def fatal(tasks):
                for count, task in enumerate(tasks):
                    if count == 3:  # it has two tasks then
                        os.kill(killed[0], signal.SIGKILL)
                    yield task

            yield lambda tasks: InFlight(crew).outcomes(fatal(tasks))
            assert killed[0] != crew.start(0).result(), "another one took its place"
            crew.close()

        return started

    report, segments = world.build("killed", start)
    assert segments == alone[1]
    assert report.failures == ()


def test_what_no_worker_can_do_is_told_as_if_it_were_here(world, monkeypatch):
    monkeypatch.setattr(processes, "Job", OtherSpace)
    with pytest.raises(SpaceMismatch, match="bring the same weights"):
        world.build("mismatch", lambda settings: partial(processes.processes, settings, world.source, ["cpu", "cpu"]))


class OtherSpace:
    """Makes jobs that no worker here can do."""

    @staticmethod
    def of(*arguments):
        from dataclasses import replace

        return replace(Job.of(*arguments), space="0" * 16)


ORPHANS = """
import os, sys
from retclip.executors.processes import Processes
crew = Processes([None])
print(crew._pools[0].submit(os.getpid).result(), flush=True)
os.kill(os.getpid(), 9)
"""


def test_workers_end_with_the_process_that_asked():
    script = f"if __name__ == '__main__':\n    exec({ORPHANS!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    number = int(done.stdout)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "a worker outlives its master"
        time.sleep(0.05)
