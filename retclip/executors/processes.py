"""Worker processes on this machine, one per GPU unless `build.workers` says otherwise."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from retclip.config import Settings
from retclip.executors.in_flight import InFlight
from retclip.executors.worker import Job, Ticket, Worker
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.unit_work import Executor, Outcome
from retclip.workflows.training.stop_signal import signals_held

Done = TypeVar("Done")
_here: Worker | None = None  # in a worker process: its worker


@contextmanager
def processes(settings: Settings, address: str, devices: Sequence[str], naming: LabelAssignment) -> Iterator[Executor]:
    """An executor over worker processes, which end with the block. devices: one for each worker."""
    threads = settings.device.threads or max(1, (os.cpu_count() or 1) // len(devices))
    crew = Processes([Job.of(settings, address, naming, device, threads) for device in devices])
    try:
        yield lambda tasks: InFlight(crew).outcomes(tasks)
    finally:
        crew.close()


class Processes:
    """A process per job. Each is a pool of one: when it dies, only what it had is lost."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.size = len(jobs)
        self._jobs = jobs
        self._stops: list[Connection | None] = [None] * self.size
        self._pools = [self._new_pool(worker) for worker in range(self.size)]

    def submit(self, worker: int, tickets: Sequence[Ticket]) -> Future[list[Outcome]]:
        """Queue it there. Raises BrokenProcessPool where that process is dead."""
        return self._submit(worker, _work, self._jobs[worker], tickets)

    def cause(self, error: BaseException) -> BaseException | None:
        """None for a process that died."""
        return None if isinstance(error, BrokenProcessPool) else error

    def replace(self, worker: int) -> None:
        """A new process."""
        self._end(worker)
        self._pools[worker] = self._new_pool(worker)

    def start(self, worker: int) -> Future[int]:
        """Let it load everything; its process's number."""
        return self._submit(worker, _start, self._jobs[worker])

    def close(self) -> None:
        """End them at once; what they are working on is dropped."""
        for worker in range(self.size):
            self._end(worker)

    def _submit(self, worker: int, action: Callable[..., Done], *arguments: Any) -> Future[Done]:
        with signals_held():  # the first task starts the process
            return self._pools[worker].submit(action, *arguments)

    def _end(self, worker: int) -> None:
        stop = self._stops[worker]
        if stop is not None:
            stop.close()
        self._pools[worker].shutdown(wait=False, cancel_futures=True)

    def _new_pool(self, worker: int) -> ProcessPoolExecutor:
        spawn = get_context("spawn")  # a fork would copy a process that has threads and a GPU open
        stopped, self._stops[worker] = spawn.Pipe(duplex=False)
        with signals_held():  # the first pool starts a process that looks after locks
            return ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent, initargs=(stopped,))


def end_with_parent(stopped: Connection) -> None:
    """In the worker: the process ends when the parent has ended or says so; signals are the parent's business."""
    parent = parent_process()
    ends = [stopped, *((parent.sentinel,) if parent else ())]

    def watch() -> None:
        connection.wait(ends)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _start(job: Job) -> int:
    global _here
    _here = Worker(job)
    return _here.start()


def _work(job: Job, tickets: Sequence[Ticket]) -> list[Outcome]:
    return (_here or Worker(job)).work(tickets)
