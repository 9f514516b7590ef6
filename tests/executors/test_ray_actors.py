"""Ray on this machine with two actors: the same store, also when one of them is killed."""

import os
import signal
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from retclip.config import load
from retclip.errors import ConfigError, SpaceMismatch
from retclip.executors import ray_actors
from retclip.executors.in_flight import InFlight

ray = pytest.importorskip("ray", reason="needs the extra retclip[ray]")


@pytest.fixture(scope="module")
def cluster():
    """One Ray for all tests of this file: it takes seconds to start."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def test_a_killed_actor_costs_nothing_and_the_store_is_the_same(world, alone, cluster):
    killed = []

    def start(settings):
        @contextmanager
        def started(naming):
            crew = ray_actors.Actors(ray, settings, world.source, naming)
            assert crew.size == 2

            killed.append(ray.get(crew.actors[0].start.remote()))

            def fatal(tasks):
                for count, task in enumerate(tasks):
                    if count == 3:  # it has two tasks then
                        os.kill(killed[0], signal.SIGKILL)
                    yield task

            yield lambda tasks: InFlight(crew).outcomes(fatal(tasks))
            assert ray.get(crew.actors[0].start.remote()) != killed[0], "another one took its place"
            crew.close()

        return started

    report, segments = world.build("ray_killed", start, workers=2)
    assert segments == alone[1]
    assert report.failures == () and report.segments == alone[0].segments


def test_what_no_actor_can_do_is_told_as_if_it_were_here(world, cluster, monkeypatch):
    from dataclasses import replace

    from retclip.executors.worker import Job

    class OtherSpace:
        @staticmethod
        def of(*arguments):
            return replace(Job.of(*arguments), space="0" * 16)

    monkeypatch.setattr(ray_actors, "Job", OtherSpace)
    with pytest.raises(SpaceMismatch, match="bring the same weights"):
        world.build("ray_mismatch", executor="ray", workers=2)


def test_by_settings_alone_and_ray_that_was_running_goes_on(world, alone, cluster):
    report, segments = world.build("ray_two", executor="ray", workers=2)
    assert segments == alone[1] and report.images == alone[0].images
    assert ray.is_initialized()


def test_no_cluster_there(world):
    ray.shutdown()
    with pytest.raises(ConfigError, match=r"ray start --head"):
        world.build("ray_nowhere", executor="ray", ray_address="127.0.0.1:1")


def test_no_ray(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match=r"retclip\[ray\]"):
        ray_actors._imported()


def test_a_ray_that_starts_here_leaves_the_signals_to_us():
    """It takes SIGTERM, to end the program at once, with everything leased still."""

    def init(**_):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))

    before = signal.getsignal(signal.SIGTERM)
    assert ray_actors._connected(SimpleNamespace(is_initialized=lambda: False, init=init), load(None))
    assert signal.getsignal(signal.SIGTERM) is before


def test_which_errors_of_ray_are_deaths_and_which_concern_everybody():
    def cause(error):
        return ray_actors.Actors.cause(SimpleNamespace(_ray=ray), error)

    kinds = ray.exceptions
    for death in (kinds.OutOfMemoryError("memory"), kinds.WorkerCrashedError(), kinds.ObjectLostError("ab", None, "")):
        assert cause(death) is None, type(death).__name__
    assert isinstance(cause(kinds.RayError("odd")), ConfigError), "no traceback for what Ray does"
    mine = SpaceMismatch("a", "b", "c")
    assert cause(mine) is mine
