"""Tasks spread over workers: two with each, so that none waits, and none of them lost when a worker dies.

A task on which a worker died is done again image by image, because one of its images may be why: the others must not
suffer. Nor must the task that waited behind it: that is sent again as it was.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from retclip.errors import ConfigError
from retclip.executors.worker import Ticket
from retclip.workflows.building.unit_work import Outcome, Task
from retclip.workflows.building.units import Unit

EACH = 2  # tasks a worker has at a time: one that it works on, one that waits
END = object()
TRIES = 3  # of an image whose worker dies each time


class Crew(Protocol):
    """Workers by number, from 0."""

    size: int

    def start(self, worker: int) -> Future[int]:
        """Let a worker load what it needs; the number of its process."""

    def submit(self, worker: int, tickets: Sequence[Ticket]) -> Future[list[Outcome]]:
        """Let a worker do that. May raise what the future may."""

    def cause(self, error: BaseException) -> BaseException | None:
        """What a worker raised; None where it did not answer because it died."""

    def replace(self, worker: int) -> None:
        """Put a new worker in a dead one's place."""


@dataclass(frozen=True, eq=False)
class _Sent:
    number: int  # a worker takes them in this order
    task: Task
    units: tuple[Unit, ...]
    worker: int
    life: int  # of the worker: two tasks that die with it must not replace it twice


class InFlight:
    """What is with the workers of a crew."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._sent: dict[Future[list[Outcome]], _Sent] = {}
        self._again: deque[tuple[Task, tuple[Unit, ...]]] = deque()
        self._lives = [0] * crew.size
        self._deaths: Counter[str] = Counter()
        self._numbers = count()
        self._fatal: dict[tuple[int, int], int] = {}  # by worker and life the number of the task on which it died

    def outcomes(self, tasks: Iterator[Task | None]) -> Iterator[tuple[Task, Outcome]]:
        """Every unit's outcome with its task, as they come. Raises what concerns every image."""
        self._require_start(range(self._crew.size))
        free, more = deque(list(range(self._crew.size)) * EACH), True
        while more or self._again or self._sent:
            if free and self._again:
                self._send(*self._again.popleft(), free.popleft())
            elif free and more:
                task = next(tasks, END)
                more = task is not END
                if isinstance(task, Task):
                    self._send(task, task.units, free.popleft())
            waiting = free and (more or self._again)
            done, _ = wait(self._sent, timeout=0 if waiting else None, return_when=FIRST_COMPLETED)
            for future in done:
                sent = self._sent.pop(future)
                free.append(sent.worker)
                yield from self._answers(sent, future)

    def _require_start(self, workers: Iterable[int]) -> None:
        """Raises what a worker raised, or ConfigError where it died: no image is to blame for that."""
        for worker, future in [(worker, self._crew.start(worker)) for worker in workers]:
            error = future.exception()
            if error is None:
                continue
            if (cause := self._crew.cause(error)) is not None:
                raise cause from None
            todo = "lower build.workers if memory is short; a script of yours needs `if __name__ == '__main__':`"
            raise ConfigError("workers that come up", f"worker {worker} died while it loaded the models", todo)

    def _send(self, task: Task, units: tuple[Unit, ...], worker: int) -> None:
        tickets = [Ticket.of(unit) for unit in units]
        try:
            future = self._crew.submit(worker, tickets)
        except BaseException as error:
            if (cause := self._crew.cause(error)) is not None:
                raise cause from None
            self._replace(worker, self._lives[worker])
            future = self._crew.submit(worker, tickets)
        self._sent[future] = _Sent(next(self._numbers), task, units, worker, self._lives[worker])

    def _answers(self, sent: _Sent, future: Future[list[Outcome]]) -> Iterator[tuple[Task, Outcome]]:
        error = future.exception()
        if error is None:
            yield from ((sent.task, outcome) for outcome in future.result())
        elif (cause := self._crew.cause(error)) is not None:
            raise cause from None
        else:
            blamed = self._died_on(sent) == sent.number
            self._replace(sent.worker, sent.life)
            if blamed:
                yield from self._after_death(sent)
            else:
                self._again.append((sent.task, sent.units))

    def _died_on(self, sent: _Sent) -> int:
        """The number of the task that the worker was at: the first of those that it had and did not answer."""
        place = sent.worker, sent.life
        if place not in self._fatal:
            behind = [
                task.number
                for future, task in self._sent.items()
                if (task.worker, task.life) == place and not (future.done() and future.exception() is None)
            ]
            self._fatal[place] = min([sent.number, *behind])
        return self._fatal[place]

    def _after_death(self, sent: _Sent) -> Iterator[tuple[Task, Outcome]]:
        if len(sent.units) > 1:
            self._again.extend((sent.task, (unit,)) for unit in sent.units)
            return
        (unit,) = sent.units
        self._deaths[unit.key] += 1
        if self._deaths[unit.key] < TRIES:
            self._again.append((sent.task, sent.units))
        else:
            yield sent.task, Outcome(unit.key, reason=f"{TRIES} workers died of it: its size, or a plugin's fault")

    def _replace(self, worker: int, life: int) -> None:
        if self._lives[worker] == life:
            self._lives[worker] += 1
            self._crew.replace(worker)
            self._require_start([worker])
