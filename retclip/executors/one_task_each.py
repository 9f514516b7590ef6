"""Processes that have one task each, and tell how far they are; every one computes on one core.

What a task needs crosses as plain data, what it returns does so, too. They end with the process that asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeVar

from retclip.errors import PartialFailure
from retclip.executors.processes import end_with_parent
from retclip.workflows.training.stop_signal import signals_held

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Tell = Callable[[Any], None]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
PATIENCE = 0.2  # seconds between two looks at what was told
_told: SimpleQueue[Any] | None = None  # in a process with a task: where it tells something


def one_task_each(work: Callable[[Task, Tell], Answer], tasks: Sequence[Task], on_told: Tell) -> list[Answer]:
    """Return the answer of each task, of a process of its own.

    work: a function of a module, called there with the task and with what tells this process something.
    on_told: called here with what was told, until the last process is done.
    Raises what a task raises, and PartialFailure where a process is gone: killed, or out of memory.
    """
    spawn = get_context("spawn")  # a fork would copy a process that has threads and a GPU open
    stopped, stop = spawn.Pipe(duplex=False)
    told = spawn.SimpleQueue()
    with _one_thread_each(), signals_held():  # processes start when they get their first task
        pool = ProcessPoolExecutor(len(tasks), mp_context=spawn, initializer=_prepare, initargs=(stopped, told))
        answers = [pool.submit(_work, work, task) for task in tasks]
    try:
        _listen(answers, told, on_told)
        return [answer.result() for answer in answers]
    except BrokenProcessPool as error:
        todo = "run the same command again to go on; with fewer workers if memory was short"
        raise PartialFailure("every worker to finish its part", str(error), todo) from error
    finally:
        stop.close()
        pool.shutdown(wait=False, cancel_futures=True)


def _listen(answers: Sequence[Future[Any]], told: SimpleQueue[Any], on_told: Tell) -> None:
    waiting: set[Future[Any]] = set(answers)
    while waiting:
        done, waiting = wait(waiting, PATIENCE)
        while not told.empty():
            on_told(told.get())
        for answer in done:
            answer.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start inside the block compute on one thread: they read these variables when they begin."""
    earlier = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in earlier.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _prepare(stopped: Connection, told: SimpleQueue[Any]) -> None:
    global _told
    _told = told
    end_with_parent(stopped)


def _work(work: Callable[[Task, Tell], Answer], task: Task) -> Answer:
    return work(task, _told.put if _told is not None else lambda _: None)
