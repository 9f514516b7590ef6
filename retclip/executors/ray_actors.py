"""Workers as actors of Ray: on a running cluster, or on this machine.

Actors of Ray's core, not a Ray Data pipeline: that wants the whole list of tasks before it starts, and its actors end
with every list, while here tasks are planned against the ledger as the work goes on, in constant memory. Ray's own
restarts and retries are off: who died of what is decided in one place, `in_flight`.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

from retclip.config import Settings
from retclip.errors import ConfigError
from retclip.executors.in_flight import InFlight
from retclip.executors.worker import Job, Ticket, Worker
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.unit_work import Executor, Outcome
from retclip.workflows.training.stop_signal import handlers_kept


@contextmanager
def ray_actors(settings: Settings, address: str, naming: LabelAssignment) -> Iterator[Executor]:
    """An executor over actors, which end with the block; a Ray that was started here ends, too. Raises ConfigError
    where there is no Ray or no cluster at that address."""
    ray = _imported()
    started = _connected(ray, settings)
    try:
        crew = Actors(ray, settings, address, naming)
        try:
            yield lambda tasks: InFlight(crew).outcomes(tasks)
        finally:
            crew.close()
    finally:
        if started:
            ray.shutdown()


class Actors:
    """An actor per GPU of the cluster, or per machine where there are none; `build.workers` overrules."""

    def __init__(self, ray: Any, settings: Settings, address: str, naming: LabelAssignment) -> None:
        self._ray, resources = ray, ray.cluster_resources()
        gpus = 0 if settings.device.name == "cpu" else int(resources.get("GPU", 0))
        machines = max(1, sum(node["Alive"] for node in ray.nodes()))
        self.size = settings.build.workers or gpus or machines
        if self.size > int(resources.get("CPU", 1)):
            got = f"{self.size} workers for {int(resources.get('CPU', 1))} CPUs"
            raise ConfigError("a CPU of the cluster for each worker", got, "lower build.workers")
        each = math.ceil(self.size / machines)
        threads = settings.device.threads or max(1, int(resources.get("CPU", 1)) // machines // each)
        self._job = Job.of(settings, address, naming, "cuda" if gpus else "cpu", threads)
        share = min(1.0, gpus / self.size) if gpus else 0
        self._kind = ray.remote(Worker).options(num_cpus=1, num_gpus=share, scheduling_strategy="SPREAD")
        self.actors = [self._kind.remote(self._job) for _ in range(self.size)]

    def submit(self, worker: int, tickets: Sequence[Ticket]) -> Future[list[Outcome]]:
        """Queue it there."""
        future: Future[list[Outcome]] = self.actors[worker].work.remote(tickets).future()
        return future

    def start(self, worker: int) -> Future[int]:
        """Let it load everything; its process's number."""
        future: Future[int] = self.actors[worker].start.remote().future()
        return future

    def cause(self, error: BaseException) -> BaseException | None:
        """None for an actor that died, or whose machine did, or whose answer was lost with a machine."""
        kinds = self._ray.exceptions
        if isinstance(error, kinds.RayTaskError):
            cause: BaseException = error.cause
            return cause
        died = kinds.RayActorError | kinds.NodeDiedError | kinds.OutOfMemoryError | kinds.WorkerCrashedError
        if isinstance(error, died | kinds.ObjectLostError):
            return None
        if isinstance(error, kinds.RayError):
            todo = "look at Ray's own logs (/tmp/ray), then build again: it goes on where it stopped"
            return ConfigError("a cluster of Ray that carries tasks through", f"{type(error).__name__}: {error}", todo)
        return error

    def replace(self, worker: int) -> None:
        """A new actor, wherever there is room; the old one may live still, where only its answer was lost."""
        with suppress(Exception):
            self._ray.kill(self.actors[worker])
        self.actors[worker] = self._kind.remote(self._job)

    def close(self) -> None:
        """End them at once; what they are working on is dropped."""
        for actor in self.actors:
            self._ray.kill(actor)


def _imported() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unasked
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray, for build.executor = ray", "no module ray", "pip install 'retclip[ray]'") from None
    return ray


def _connected(ray: Any, settings: Settings) -> bool:
    """Whether Ray was started or joined here, rather than found running in this program."""
    if ray.is_initialized():
        return False
    address, quiet = settings.build.ray_address, {"log_to_driver": False, "logging_level": "error"}
    try:
        if address:
            _require_answer(address)
            where: dict[str, Any] = {"address": address}
        else:
            room = max(settings.build.workers, os.cpu_count() or 1)
            where = {"address": "local", "num_cpus": room, "include_dashboard": False}
        with handlers_kept():  # Ray takes SIGTERM, to end without giving back what is leased
            ray.init(**where, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        todo = "start one (ray start --head), correct build.ray_address, or leave it empty for this machine"
        raise ConfigError(f"a Ray cluster at {address or 'this machine'}", str(error), todo) from error
    return True


def _require_answer(address: str) -> None:
    """Ray itself waits for minutes where nobody is. Raises OSError; names like "auto" are Ray's to find."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()
